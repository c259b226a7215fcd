package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lestrrat-go/httprc/v3"
	"github.com/lestrrat-go/jwx/v3/jwk"
	"github.com/lestrrat-go/jwx/v3/jws"
	"github.com/lestrrat-go/jwx/v3/jwt"
)

// jwxServer is a resource server with github.com/lestrrat-go/jwx.
type jwxServer struct {
	cache   *jwk.Cache
	keysURL string
}

var errTyp = errors.New("this is no access token")

func runJWX(ctx context.Context, s server) {
	keysURL := s.issuer + "/.well-known/jwks.json"
	cache, err := newKeyCache(ctx, keysURL)
	if err != nil {
		fatal(err)
	}
	r := report{"lestrrat-go/jwx", "github.com/lestrrat-go/jwx/v3", "resource server", ""}
	runResourceServer(ctx, r, s, jwxServer{cache, keysURL})
}

func newKeyCache(ctx context.Context, keysURL string) (*jwk.Cache, error) {
	cache, err := jwk.NewCache(ctx, httprc.NewClient())
	if err != nil {
		return nil, err
	}
	// New keys are published two hours before they sign.
	return cache, cache.Register(ctx, keysURL, jwk.WithMinInterval(15*time.Minute), jwk.WithMaxInterval(time.Hour))
}

func (x jwxServer) verify(ctx context.Context, token string, want wanted) (claims, error) {
	message, err := jws.Parse([]byte(token))
	if err != nil {
		return claims{}, err
	}
	headers := message.Signatures()[0].ProtectedHeaders()
	if typ, _ := headers.Type(); typ != want.typ {
		return claims{}, errTyp
	}
	keys, err := x.cache.Lookup(ctx, x.keysURL)
	if err != nil {
		return claims{}, err
	}
	kid, _ := headers.KeyID()
	if _, known := keys.LookupKeyID(kid); !known {
		if keys, err = x.cache.Refresh(ctx, x.keysURL); err != nil {
			return claims{}, err
		}
	}
	verified, err := jwt.Parse([]byte(token), jwt.WithKeySet(keys), jwt.WithIssuer(want.issuer), jwt.WithAudience(want.audience),
		jwt.WithRequiredClaim("exp"), jwt.WithTypedClaim("roles", []string{}), jwt.WithClock(jwt.ClockFunc(want.now)))
	if err != nil {
		return claims{}, err
	}
	var read claims
	return read, errors.Join(verified.Get("scope", &read.Scope), verified.Get("roles", &read.Roles))
}

func (jwxServer) reason(err error) string {
	for reason, of := range map[string]error{
		"expired":   jwt.TokenExpiredError(),
		"audience":  jwt.InvalidAudienceError(),
		"issuer":    jwt.InvalidIssuerError(),
		"signature": jws.VerificationError(),
		"typ":       errTyp,
	} {
		if errors.Is(err, of) {
			return reason
		}
	}
	return fmt.Sprint(err)
}

func (jwxServer) looksAtTyp() bool { return true }
