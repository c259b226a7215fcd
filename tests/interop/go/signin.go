package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// app is an app that signs people in, with go-oidc and golang.org/x/oauth2. One person uses it at a time.
type app struct {
	config   *oauth2.Config
	provider *oidc.Provider
	base     string
	// What a session of a real app keeps.
	state, nonce, verifier string
	token                  *oauth2.Token
	sub                    string
}

// appOf discovers the issuer.
func appOf(ctx context.Context, s server, base string) (*app, error) {
	provider, err := oidc.NewProvider(ctx, s.issuer)
	if err != nil {
		return nil, err
	}
	config := &oauth2.Config{
		ClientID:     s.clientID,
		ClientSecret: s.clientSecret,
		Endpoint:     provider.Endpoint(),
		RedirectURL:  base + "/callback",
		Scopes:       strings.Fields(os.Getenv("HEIRLOOM_APP_SCOPE")), // oidc.ScopeOpenID and others
	}
	return &app{config: config, provider: provider, base: base}, nil
}

func (a *app) login(response http.ResponseWriter, request *http.Request) {
	a.state, a.nonce, a.verifier = oauth2.GenerateVerifier(), oauth2.GenerateVerifier(), oauth2.GenerateVerifier()
	options := []oauth2.AuthCodeOption{oidc.Nonce(a.nonce), oauth2.S256ChallengeOption(a.verifier)}
	if prompt := request.FormValue("prompt"); prompt != "" {
		options = append(options, oauth2.SetAuthURLParam("prompt", prompt))
	}
	http.Redirect(response, request, a.config.AuthCodeURL(a.state, options...), http.StatusFound)
}

func (a *app) callback(ctx context.Context, request *http.Request) (map[string]any, error) {
	if refused := request.FormValue("error"); refused != "" {
		return nil, fmt.Errorf("%s: %s", refused, request.FormValue("error_description"))
	}
	if request.FormValue("state") != a.state {
		return nil, fmt.Errorf("state %q", request.FormValue("state"))
	}
	token, err := a.config.Exchange(ctx, request.FormValue("code"), oauth2.VerifierOption(a.verifier))
	if err != nil {
		return nil, err
	}
	idToken, err := a.verified(ctx, token)
	if err != nil {
		return nil, err
	}
	if idToken.Nonce != a.nonce {
		return nil, fmt.Errorf("nonce %q", idToken.Nonce)
	}
	user, err := a.provider.UserInfo(ctx, a.config.TokenSource(ctx, token))
	if err != nil {
		return nil, err
	}
	var claims struct {
		AuthTime int64  `json:"auth_time"`
		Name     string `json:"preferred_username"`
	}
	if err := user.Claims(&claims); err != nil {
		return nil, err
	}
	if err := idToken.Claims(&claims); err != nil {
		return nil, err
	}
	a.token, a.sub = token, idToken.Subject
	return map[string]any{"sub": a.sub, "auth_time": claims.AuthTime, "name": claims.Name}, nil
}

// verified verifies the ID token of a token answer, and that it is about its access token.
func (a *app) verified(ctx context.Context, token *oauth2.Token) (*oidc.IDToken, error) {
	raw, _ := token.Extra("id_token").(string)
	idToken, err := a.provider.Verifier(&oidc.Config{ClientID: a.config.ClientID}).Verify(ctx, raw)
	if err != nil {
		return nil, err
	}
	return idToken, idToken.VerifyAccessToken(token.AccessToken)
}

func (a *app) refresh(ctx context.Context, _ *http.Request) (map[string]any, error) {
	next, err := a.config.TokenSource(ctx, stored(a.token)).Token()
	if err != nil {
		return nil, err
	}
	idToken, err := a.verified(ctx, next)
	if err != nil {
		return nil, err
	}
	changed := next.AccessToken != a.token.AccessToken && next.RefreshToken != a.token.RefreshToken
	a.token = next
	return map[string]any{"sub": idToken.Subject, "changed": changed}, nil
}

// logout leads to the issuer's end of sessions, which go-oidc reads from the metadata as any other claim.
func (a *app) logout(response http.ResponseWriter, request *http.Request) {
	var metadata struct {
		EndSession string `json:"end_session_endpoint"`
	}
	if err := a.provider.Claims(&metadata); err != nil {
		http.Error(response, err.Error(), http.StatusInternalServerError)
		return
	}
	idToken, _ := a.token.Extra("id_token").(string)
	question := url.Values{"id_token_hint": {idToken}, "post_logout_redirect_uri": {a.base + "/"}}
	http.Redirect(response, request, metadata.EndSession+"?"+question.Encode(), http.StatusFound)
}

func runSignIn(ctx context.Context, s server) {
	a, err := appOf(ctx, s, os.Getenv("HEIRLOOM_APP"))
	if err != nil {
		fatal(err)
	}
	about := map[string]any{
		"library": "go-oidc with golang.org/x/oauth2",
		"version": versionOf("github.com/coreos/go-oidc/v3") + " with " + versionOf("golang.org/x/oauth2"),
	}
	serveApp(about, map[string]http.HandlerFunc{
		"/login":    a.login,
		"/callback": answering(a.callback),
		"/refresh":  answering(a.refresh),
		"/logout":   a.logout,
	})
}

// answering writes what a handler returns as JSON.
func answering(handle func(context.Context, *http.Request) (map[string]any, error)) http.HandlerFunc {
	return func(response http.ResponseWriter, request *http.Request) {
		said, err := handle(request.Context(), request)
		if err != nil {
			log.Println(err)
			http.Error(response, err.Error(), http.StatusInternalServerError)
			return
		}
		writeJSON(response, said)
	}
}

func writeJSON(response http.ResponseWriter, said any) {
	response.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(response).Encode(said); err != nil {
		log.Println(err)
	}
}

// serveApp serves an app at the runner's port, until it is killed.
func serveApp(about map[string]any, routes map[string]http.HandlerFunc) {
	mux := http.NewServeMux()
	mux.HandleFunc("/about", func(response http.ResponseWriter, _ *http.Request) { writeJSON(response, about) })
	mux.HandleFunc("/{$}", func(response http.ResponseWriter, _ *http.Request) { fmt.Fprint(response, "signed out") })
	for path, handler := range routes {
		mux.HandleFunc(path, handler)
	}
	fatal(http.ListenAndServe("127.0.0.1:"+os.Getenv("HEIRLOOM_APP_PORT"), mux))
}
