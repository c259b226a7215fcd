package main

import (
	"context"
	"errors"
	"strings"

	"github.com/coreos/go-oidc/v3/oidc"
)

// oidcServer is a resource server with github.com/coreos/go-oidc.
type oidcServer struct {
	// By issuer. Each has a cache of the keys of its own.
	providers map[string]*oidc.Provider
}

func runOIDC(ctx context.Context, s server) {
	provider, err := oidc.NewProvider(ctx, s.issuer)
	if err != nil {
		fatal(err)
	}
	// Another issuer that has the same keys.
	another := oidc.ProviderConfig{IssuerURL: anotherIssuer, JWKSURL: s.issuer + "/.well-known/jwks.json"}
	providers := map[string]*oidc.Provider{s.issuer: provider, anotherIssuer: another.NewProvider(ctx)}
	r := report{"go-oidc", "github.com/coreos/go-oidc/v3", "resource server", ""}
	runResourceServer(ctx, r, s, oidcServer{providers})
}

func (o oidcServer) verify(ctx context.Context, token string, want wanted) (claims, error) {
	config := &oidc.Config{ClientID: want.audience, SupportedSigningAlgs: []string{oidc.RS256}, Now: want.now}
	return verifyWithOIDC(ctx, o.providers[want.issuer], config, token)
}

// verifyWithOIDC verifies an access token. The provider is from oidc.NewProvider(ctx, issuer), once for the whole program;
// the config's ClientID is the audience.
func verifyWithOIDC(ctx context.Context, provider *oidc.Provider, config *oidc.Config, token string) (claims, error) {
	verified, err := provider.Verifier(config).Verify(ctx, token)
	if err != nil {
		return claims{}, err
	}
	var read claims // Scope string `json:"scope"`, Roles []string `json:"roles"`
	err = verified.Claims(&read)
	return read, err
}

// reason goes by the text: of these errors only one has a type.
func (oidcServer) reason(err error) string {
	var expired *oidc.TokenExpiredError
	switch text := err.Error(); {
	case errors.As(err, &expired):
		return "expired"
	case strings.Contains(text, "expected audience"):
		return "audience"
	case strings.Contains(text, "issued by a different provider"):
		return "issuer"
	case strings.Contains(text, "failed to verify signature"):
		return "signature"
	default:
		return text
	}
}

func (oidcServer) looksAtTyp() bool { return false }
