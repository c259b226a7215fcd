//! Refresh tokens, and the id of an access token.

use std::sync::Arc;

use heirloom::oauth::{MacKeys, RefreshToken, RefreshTokenCodec};
use heirloom::token::claims::jti;
use zeroize::Zeroizing;

use crate::frozen::Frozen;
use crate::values::{generation, nonce, session_id};

#[test]
fn a_refresh_token_is_made_and_read_as_it_was() {
    let mut frozen = Frozen::read("tokens.txt");
    let token = RefreshToken { session: session_id(), generation: generation(70_000), nonce: nonce(0x77) };
    let older = || [(3, Zeroizing::new([0x88; 32]))];
    let codec = RefreshTokenCodec::new(Arc::new(MacKeys::new((3, &[0x88; 32]), older())));
    let text = codec.encode(&token).unwrap();
    frozen.text("refresh token", &text);
    // A codec with a later secret makes tokens by that, and still reads those of the older one.
    let later = RefreshTokenCodec::new(Arc::new(MacKeys::new((4, &[0x99; 32]), older())));
    frozen.reads("refresh token", |text| assert_eq!(later.decode(text), Ok(token)));
    frozen.text("access token's id", &jti(session_id().as_bytes(), 70_000, 1_795_780_860, "read"));
    frozen.finish();
}
