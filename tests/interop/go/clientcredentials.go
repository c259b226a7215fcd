package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

// machine is golang.org/x/oauth2/clientcredentials in one style; go-oidc is the resource server.
type machine struct {
	report
	server
	authStyle oauth2.AuthStyle
}

func runClientCredentials(ctx context.Context, s server) {
	for _, kind := range []struct {
		style     string
		authStyle oauth2.AuthStyle
	}{
		{"auto", oauth2.AuthStyleAutoDetect},
		{"basic", oauth2.AuthStyleInHeader},
		{"post", oauth2.AuthStyleInParams},
	} {
		m := machine{report{"golang.org/x/oauth2", "golang.org/x/oauth2", "machine client", kind.style}, s, kind.authStyle}
		m.check("token of its own", func() error { return m.hasToken(ctx) })
		m.check("same token again", func() error { return m.hasSameToken(ctx) })
		m.check("claims of the token", func() error { return m.hasClaims(ctx) })
		m.check("wrong secret", func() error {
			_, err := newMachine(m.issuer, m.clientID, "not "+m.clientSecret, m.authStyle).Token(ctx)
			return refusedWith(err, "invalid_client")
		})
	}
}

func newMachine(issuer, clientID, clientSecret string, style oauth2.AuthStyle) *clientcredentials.Config {
	return &clientcredentials.Config{
		ClientID:     clientID,
		ClientSecret: clientSecret,
		TokenURL:     issuer + "/oauth/token",
		Scopes:       []string{"read"},
		AuthStyle:    style,
	}
}

// token asks the server: Config.Token keeps nothing.
func (m machine) token(ctx context.Context) (*oauth2.Token, error) {
	return newMachine(m.issuer, m.clientID, m.clientSecret, m.authStyle).Token(ctx)
}

func (m machine) hasToken(ctx context.Context) error {
	token, err := m.token(ctx)
	switch {
	case err != nil:
		return err
	case token.Type() != "Bearer":
		return fmt.Errorf("token type %q", token.Type())
	case !token.Expiry.After(time.Now()):
		return fmt.Errorf("expires at %s", token.Expiry)
	case token.RefreshToken != "":
		return errors.New("there is a refresh token")
	case token.Extra("scope") != "read":
		return fmt.Errorf("scope %v", token.Extra("scope"))
	}
	return nil
}

func (m machine) hasSameToken(ctx context.Context) error {
	first, err := m.token(ctx)
	if err != nil {
		return err
	}
	second, err := m.token(ctx)
	if err == nil && second.AccessToken != first.AccessToken {
		return errors.New("it got another token")
	}
	return err
}

func (m machine) hasClaims(ctx context.Context) error {
	token, err := m.token(ctx)
	if err != nil {
		return err
	}
	provider, err := oidc.NewProvider(ctx, m.issuer)
	if err != nil {
		return err
	}
	config := &oidc.Config{ClientID: m.audience, SupportedSigningAlgs: []string{oidc.RS256}}
	verified, err := provider.Verifier(config).Verify(ctx, token.AccessToken)
	if err != nil {
		return err
	}
	var read struct {
		ClientID string `json:"client_id"`
		Scope    string
		Roles    []string
	}
	if err := verified.Claims(&read); err != nil {
		return err
	}
	if verified.Subject != m.clientID || read.ClientID != m.clientID || read.Scope != "read" || read.Roles != nil {
		return fmt.Errorf("sub %q, claims %+v", verified.Subject, read)
	}
	return nil
}
