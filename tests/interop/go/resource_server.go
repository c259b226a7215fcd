package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// anotherIssuer has not issued the tokens.
const anotherIssuer = "https://another.example"

// wanted is what a token must have.
type wanted struct {
	issuer, audience, typ string
	now                   func() time.Time
}

// claims is what a resource server reads from a token.
type claims struct {
	Scope string   `json:"scope"`
	Roles []string `json:"roles"`
}

// resourceServer verifies access tokens with one library and its cache of the keys.
type resourceServer interface {
	verify(ctx context.Context, token string, want wanted) (claims, error)
	// reason says why a token was refused: "expired", "audience", "issuer", "signature" or "typ".
	reason(err error) string
	looksAtTyp() bool
}

// runResourceServer prints every check of a resource server.
func runResourceServer(ctx context.Context, r report, s server, library resourceServer) {
	want := wanted{s.issuer, s.audience, s.typ, time.Now}
	token, err := s.accessToken(ctx)
	if err != nil {
		fatal(err)
	}
	refuses := func(check, reason, token string, want wanted) {
		r.check(check, func() error { return refusal(ctx, library, token, want, reason) })
	}
	r.check("accepts a token", func() error {
		if _, err := library.verify(ctx, token, want); err != nil || !library.looksAtTyp() {
			return err
		}
		other := want
		other.typ = "another"
		return refusal(ctx, library, token, other, "typ")
	})
	later := want
	later.now = func() time.Time { return time.Now().Add(time.Hour) }
	refuses("refuses an expired token", "expired", token, later)
	elsewhere := want
	elsewhere.audience = "another-api"
	refuses("refuses another audience", "audience", token, elsewhere)
	stranger := want
	stranger.issuer = anotherIssuer
	refuses("refuses another issuer", "issuer", token, stranger)
	refuses("refuses a changed signature", "signature", changed(token), want)
	r.check("reads scope and roles", func() error {
		read, err := library.verify(ctx, token, want)
		if err == nil && (read.Scope != "read write" || !slices.Equal(read.Roles, []string{"user"})) {
			err = fmt.Errorf("it read %+v", read)
		}
		return err
	})
	r.check("key rotation with a warm cache", func() error { return survivesRotation(ctx, s, library, token, want) })
}

// refusal checks that a token is refused for a given reason.
func refusal(ctx context.Context, library resourceServer, token string, want wanted, reason string) error {
	_, err := library.verify(ctx, token, want)
	if err == nil {
		return errors.New("it was accepted")
	}
	if library.reason(err) != reason {
		return fmt.Errorf("refused for another reason: %w", err)
	}
	return nil
}

func survivesRotation(ctx context.Context, s server, library resourceServer, old string, want wanted) error {
	if err := s.rotateKey(ctx); err != nil {
		return err
	}
	token, err := s.accessToken(ctx)
	if err != nil {
		return err
	}
	if head(token) == head(old) {
		return errors.New("the new token is of the old key")
	}
	if _, err := library.verify(ctx, token, want); err != nil {
		return fmt.Errorf("a token of the new key: %w", err)
	}
	if _, err := library.verify(ctx, old, want); err != nil {
		return fmt.Errorf("a token of the old key: %w", err)
	}
	return nil
}

// head returns the header of a token, which differs between two tokens only by their keys.
func head(token string) string {
	header, _, _ := strings.Cut(token, ".")
	return header
}

// changed returns the token with a changed signature.
func changed(token string) string {
	at := strings.LastIndex(token, ".") + 1
	other := "A"
	if token[at] == 'A' {
		other = "B"
	}
	return token[:at] + other + token[at+1:]
}
