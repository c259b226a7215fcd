package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/oauth2"
)

// How many goroutines use one session at once.
const parallel = 5

// client is golang.org/x/oauth2 as a client of one server in one style.
type client struct {
	report
	server
	clientID, clientSecret string
	authStyle              oauth2.AuthStyle
	// How many requests it has sent.
	sent *atomic.Int32
	// Signed in at the beginning, so that its access token has expired when it is used.
	aging       *oauth2.Token
	agingFrom   *oauth2.Config
	agingFailed error
}

func runOAuth2(ctx context.Context, s server) {
	var sent atomic.Int32
	counting := &http.Client{Timeout: 30 * time.Second, Transport: counter{&sent}}
	ctx = context.WithValue(ctx, oauth2.HTTPClient, counting)
	var clients []*client
	for _, kind := range []struct {
		style, clientID, clientSecret string
		authStyle                     oauth2.AuthStyle
	}{
		{"auto", s.clientID, s.clientSecret, oauth2.AuthStyleAutoDetect},
		{"basic", s.clientID, s.clientSecret, oauth2.AuthStyleInHeader},
		{"post", s.clientID, s.clientSecret, oauth2.AuthStyleInParams},
		{"none", s.publicClientID, "", oauth2.AuthStyleInParams},
		{"auto none", s.publicClientID, "", oauth2.AuthStyleAutoDetect},
	} {
		clients = append(clients, &client{
			report:       report{"golang.org/x/oauth2", "golang.org/x/oauth2", "client", kind.style},
			server:       s,
			clientID:     kind.clientID,
			clientSecret: kind.clientSecret,
			authStyle:    kind.authStyle,
			sent:         &sent,
		})
	}
	for _, c := range clients {
		c.run(ctx)
	}
	for _, c := range clients {
		c.check("expired access token", func() error { return c.meetsExpiry(ctx) })
	}
}

func (c *client) run(ctx context.Context) {
	token := &oauth2.Token{}
	config := newConfig(c.issuer, c.clientID, c.clientSecret, c.authStyle, "read", "write")
	c.check("sign in", func() error {
		before := c.sent.Load()
		signedIn, err := config.PasswordCredentialsToken(ctx, c.username, c.password)
		if err != nil {
			return err
		}
		token = signedIn
		if c.authStyle == oauth2.AuthStyleAutoDetect && c.sent.Load() != before+1 {
			return errors.New("the style that it tries first was refused")
		}
		return readable(token, "read write")
	})
	for _, name := range []string{"refresh", "refresh again"} {
		c.check(name, func() error {
			next, err := refreshed(ctx, config, token)
			if err == nil {
				token = next
			}
			return err
		})
	}
	c.check("concurrent refresh", func() error { return c.concurrently(ctx, config, token) })
	c.check("wrong password", func() error {
		_, err := config.PasswordCredentialsToken(ctx, c.username, "not "+c.password)
		return refusedWith(err, "invalid_grant")
	})
	c.check("wrong secret", func() error { return c.refusesStranger(ctx) })
	c.unsupported("narrower scope", "it sends no scope with a refresh: https://pkg.go.dev/golang.org/x/oauth2#Config.TokenSource")
	c.unsupported("revoke", "it has no revocation: https://pkg.go.dev/golang.org/x/oauth2#pkg-index")
	c.unsupported("introspect", "it has no introspection: https://pkg.go.dev/golang.org/x/oauth2#pkg-index")
	c.agingFrom = newConfig(c.issuer, c.clientID, c.clientSecret, c.authStyle, "profile")
	c.aging, c.agingFailed = c.agingFrom.PasswordCredentialsToken(ctx, c.username, c.password)
}

func newConfig(issuer, clientID, clientSecret string, style oauth2.AuthStyle, scopes ...string) *oauth2.Config {
	return &oauth2.Config{
		ClientID:     clientID,
		ClientSecret: clientSecret, // "" for a public client
		Endpoint:     oauth2.Endpoint{TokenURL: issuer + "/oauth/token", AuthStyle: style},
		Scopes:       scopes,
	}
}

// readable checks what the library shows of a token.
func readable(token *oauth2.Token, scope string) error {
	switch {
	case token.Type() != "Bearer":
		return fmt.Errorf("token type %q", token.Type())
	case token.ExpiresIn <= 0 || !token.Expiry.After(time.Now()):
		return fmt.Errorf("expires in %d, at %s", token.ExpiresIn, token.Expiry)
	case token.RefreshToken == "":
		return errors.New("there is no refresh token")
	case token.Extra("scope") != scope:
		return fmt.Errorf("scope %v", token.Extra("scope"))
	}
	return nil
}

// stored is a session without its access token, as an app may store it.
func stored(token *oauth2.Token) *oauth2.Token {
	return &oauth2.Token{RefreshToken: token.RefreshToken}
}

func refreshed(ctx context.Context, config *oauth2.Config, token *oauth2.Token) (*oauth2.Token, error) {
	next, err := config.TokenSource(ctx, stored(token)).Token()
	if err != nil {
		return nil, err
	}
	if next.RefreshToken == token.RefreshToken || next.AccessToken == token.AccessToken {
		return nil, errors.New("it got the tokens that it had")
	}
	return next, readable(next, "read write")
}

// concurrently refreshes from goroutines that share a TokenSource, and then from goroutines that have one each.
func (c *client) concurrently(ctx context.Context, config *oauth2.Config, token *oauth2.Token) error {
	before := c.sent.Load()
	// By default a token counts as expired ten seconds early; these tokens last less than that.
	shared := oauth2.ReuseTokenSourceWithExpiry(nil, config.TokenSource(ctx, stored(token)), time.Second)
	next, err := inParallel(func() (*oauth2.Token, error) { return shared.Token() })
	if err != nil {
		return err
	}
	if sent := c.sent.Load() - before; sent != 1 {
		return fmt.Errorf("the shared source has sent %d requests", sent)
	}
	last, err := inParallel(func() (*oauth2.Token, error) { return config.TokenSource(ctx, stored(next)).Token() })
	if err != nil {
		return err
	}
	_, err = refreshed(ctx, config, last)
	return err
}

// inParallel has several goroutines get a token, and returns it if all get the same refresh token.
func inParallel(get func() (*oauth2.Token, error)) (*oauth2.Token, error) {
	var waiting sync.WaitGroup
	tokens, failures := make([]*oauth2.Token, parallel), make([]error, parallel)
	for n := range parallel {
		waiting.Go(func() { tokens[n], failures[n] = get() })
	}
	waiting.Wait()
	if err := errors.Join(failures...); err != nil {
		return nil, err
	}
	for _, token := range tokens {
		if token.RefreshToken != tokens[0].RefreshToken {
			return nil, errors.New("the same refresh token has several successors")
		}
	}
	return tokens[0], nil
}

// refusesStranger uses a wrong secret, or for a public client an unknown client id.
func (c *client) refusesStranger(ctx context.Context) error {
	id, secret := c.clientID, "not "+c.clientSecret
	if c.clientSecret == "" {
		id, secret = "nobody", ""
	}
	stranger := newConfig(c.issuer, id, secret, c.authStyle, "read")
	_, err := stranger.PasswordCredentialsToken(ctx, c.username, c.password)
	return refusedWith(err, "invalid_client")
}

// meetsExpiry uses an expired access token in the http.Client that the library makes.
func (c *client) meetsExpiry(ctx context.Context) error {
	if c.agingFailed != nil {
		return c.agingFailed
	}
	if err := c.untilExpired(ctx, c.aging.AccessToken); err != nil {
		return err
	}
	response, err := c.agingFrom.Client(ctx, c.aging).Get(c.issuer + "/oauth/userinfo")
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("userinfo: %s", response.Status)
	}
	if strings.HasSuffix(response.Request.Header.Get("Authorization"), c.aging.AccessToken) {
		return errors.New("it did not refresh")
	}
	return nil
}

func refusedWith(err error, code string) error {
	var refusal *oauth2.RetrieveError
	if err == nil {
		return errors.New("it was not refused")
	}
	if !errors.As(err, &refusal) {
		return fmt.Errorf("not the library's error: %w", err)
	}
	if refusal.ErrorCode != code {
		return fmt.Errorf("not %s: %w", code, err)
	}
	return nil
}

// counter counts the requests that it sends.
type counter struct{ sent *atomic.Int32 }

func (c counter) RoundTrip(request *http.Request) (*http.Response, error) {
	c.sent.Add(1)
	return http.DefaultTransport.RoundTrip(request)
}
