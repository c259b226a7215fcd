//! Catches every panic of sled's code, on whichever thread it happens.
//!
//! Damage can make sled panic inside a call, or on one of its own threads. sled does not report the latter, and waits
//! for that thread for ever. So calls go through [`guarded`], and a panic hook turns a panic of sled's threads into the
//! failure of every open store. Neither prints the panic; both log it in a sentence.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::sync::{Arc, Mutex, Once, PoisonError, Weak};

use super::failure::Failure;

#[cfg(not(panic = "unwind"))]
compile_error!("the embedded store catches sled's panics: build with panic = \"unwind\"");

thread_local! {
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    static CAUGHT: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// The stores in this process that are open or being opened.
static OPEN: Mutex<Vec<Weak<Failure>>> = Mutex::new(Vec::new());

/// Calls into sled. A panic becomes an error with its text, and nothing is printed.
pub(super) fn guarded<T>(call: impl FnOnce() -> T) -> Result<T, String> {
    DEPTH.with(|depth| depth.set(depth.get().saturating_add(1)));
    let result = catch_unwind(AssertUnwindSafe(call));
    DEPTH.with(|depth| depth.set(depth.get().saturating_sub(1)));
    result.map_err(|_| CAUGHT.take().unwrap_or_else(|| "it panicked without a word".to_owned()))
}

/// Makes a panic on one of sled's threads fail the store of `failure` from now on.
pub(super) fn watch(failure: &Arc<Failure>) {
    static HOOK: Once = Once::new();
    HOOK.call_once(install);
    let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    open.retain(|store| store.strong_count() > 0);
    open.push(Arc::downgrade(failure));
}

fn install() {
    let previous = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if DEPTH.with(Cell::get) > 0 {
            CAUGHT.replace(Some(text(panic)));
        } else if on_a_thread_of_sled() {
            fail_open_stores(&text(panic));
        } else {
            previous(panic);
        }
    }));
}

fn on_a_thread_of_sled() -> bool {
    let current = std::thread::current();
    current.name().is_some_and(|name| name.starts_with("sled-io-") || name == "log flusher")
}

fn fail_open_stores(why: &str) {
    // Collected first, so that the lock is not held during the calls.
    let open: Vec<_> =
        OPEN.lock().unwrap_or_else(PoisonError::into_inner).iter().filter_map(Weak::upgrade).collect();
    for failure in open {
        failure.fail(&format!("one of sled's threads stopped: {why}"));
    }
}

/// A panic's text on one line, up to the first data structure: those can be long, and contain keys.
fn text(panic: &PanicHookInfo<'_>) -> String {
    let what = panic.payload_as_str().unwrap_or("it panicked without a word");
    let what = what.split(['[', '{']).next().unwrap_or_default();
    let what: String = what.chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect();
    match panic.location() {
        Some(place) => {
            format!("{what} ({}:{})", place.file().rsplit('/').next().unwrap_or_default(), place.line())
        }
        None => what,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_in_a_guarded_call_is_an_error_with_its_text() {
        watch(&Arc::new(Failure::new(std::path::Path::new("data"), Arc::new(|_| {}))));
        let caught = guarded(|| {
            guarded(|| panic!("inner\nline {:?}", b"secret")).map_err(|why| panic!("outer after {why}"))
        });
        let why = caught.map(|_: Result<(), ()>| ()).unwrap_err();
        assert!(why.contains("outer after inner line  (panic_guard.rs:"), "{why}");
        assert_eq!(guarded(|| 7), Ok(7));
    }
}
