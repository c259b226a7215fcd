//! `/devices/{id}`: tells what happened on one device, also after it was signed out.

use poem::Response;
use poem::http::StatusCode;

use super::devices::item;
use super::person::Person;
use super::{readable, unknown};
use crate::app::timeline::{End, Line, TimelinePage};
use crate::http::pages::headers::{FormTarget, answer};
use crate::http::pages::render::consent::ScopeLine;
use crate::http::pages::render::devices::{DeviceEnd, DeviceLine, DevicePage};
use crate::http::pages::render::drawing::Drawing;
use crate::http::pages::texts::{Text, Texts};
use crate::http::pages::visit::{Refused, Visit};
use crate::oauth::SessionId;
use crate::session::EndReason;

/// How many lines are on one page.
const PAGE: usize = 50;

/// The page.
pub(super) async fn show(visit: &Visit<'_>, person: &Person, id: &str) -> Result<Response, Refused> {
    let Ok(id) = id.parse::<SessionId>() else { return Ok(unknown(visit)) };
    let sessions = &visit.app.sessions;
    let Some(listed) = sessions.own_session(person.login.user, id).await? else { return Ok(unknown(visit)) };
    let after = visit.own_parameter("after")?.and_then(|after| after.parse().ok()).unwrap_or_default();
    let Some(timeline) = sessions.timeline(id, TimelinePage { after, limit: PAGE }).await? else {
        return Ok(unknown(visit));
    };
    let texts = visit.texts();
    let device = item(visit, person, &listed);
    let drawing = Drawing::of(&timeline.lines, timeline.end.is_none() || timeline.next.is_some());
    let told = |line: &Line| told(visit, line, &device.app, timeline.end.as_ref());
    let lines = timeline.lines.iter().map(told).collect();
    let scopes = listed.session.started.scope.words();
    let scopes = scopes.map(|scope| texts.scope_text(&ScopeLine { scope, resource: None })).collect();
    let page = DevicePage {
        shell: person.shell(visit),
        form: person.form(),
        // The name that the client gave stands above, so the device's own is the other one.
        label: listed.device.label().and_then(|_| readable(&listed.device)),
        scopes,
        expires: Person::when(visit, listed.session.expiry()),
        end: timeline.end.as_ref().map(|end| DeviceEnd {
            text: why(end.reason, texts).as_str(),
            at: end.at.map(|at| Person::when(visit, at)),
        }),
        lines,
        drawing,
        is_first: after == 0,
        next: timeline.next,
        device,
    };
    Ok(answer(StatusCode::OK, page.html(), FormTarget::Own))
}

/// A line of the timeline, in the person's language.
fn told(visit: &Visit<'_>, line: &Line, app: &str, end: Option<&End>) -> DeviceLine {
    let texts = visit.texts();
    let own = &texts.timeline;
    let nothing = String::new();
    let (text, detail) = match line.kind {
        "signed_in" => (String::new(), nothing),
        "refreshed" if line.count == 1 => (own.refreshed.as_str().to_owned(), nothing),
        "refreshed" => (own.refreshed_times.with("count", line.count), nothing),
        "reuse_detected" => (own.reuse.as_str().to_owned(), own.reuse_detail.as_str().to_owned()),
        "code_reuse_detected" => (own.code_reuse.as_str().to_owned(), own.reuse_detail.as_str().to_owned()),
        "foreign_client_refused" => (own.foreign.as_str().to_owned(), own.foreign_detail.as_str().to_owned()),
        "ended" => {
            let why = end.map_or("", |end| why(end.reason, texts).as_str());
            (own.ended.as_str().to_owned(), why.to_owned())
        }
        // A client that acts for itself has no owner who could see this page.
        _ => (line.text.clone(), nothing),
    };
    DeviceLine {
        kind: line.kind,
        app: (line.kind == "signed_in").then(|| app.to_owned()),
        text,
        detail,
        at: Person::when(visit, line.at),
        until: (line.count > 1).then(|| Person::when(visit, line.last)),
    }
}

/// Why a session is over.
fn why(reason: EndReason, texts: &Texts) -> &Text {
    match reason {
        EndReason::Reuse => &texts.end.reuse,
        EndReason::Logout => &texts.end.logout,
        EndReason::User => &texts.end.user,
        EndReason::Admin => &texts.end.admin,
        EndReason::UserEpoch => &texts.end.user_epoch,
        EndReason::ClientEpoch => &texts.end.client_epoch,
        EndReason::Expired => &texts.end.expired,
        EndReason::Evicted => &texts.end.evicted,
        EndReason::Restored => &texts.end.restored,
        EndReason::Rollback => &texts.end.rollback,
        EndReason::LoginEnded => &texts.end.login_ended,
        EndReason::CodeReuse => &texts.end.code_reuse,
        EndReason::ConsentWithdrawn => &texts.end.consent_withdrawn,
    }
}
