package main

import (
	"context"
	"crypto/rand"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/zitadel/oidc/v3/pkg/client/rp"
	httphelper "github.com/zitadel/oidc/v3/pkg/http"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"golang.org/x/oauth2"
)

type zitadelTokens = oidc.Tokens[*oidc.IDTokenClaims]

// zitadelApp is an app that signs people in, with zitadel/oidc. One person uses it at a time.
type zitadelApp struct {
	rp.RelyingParty
	base   string
	tokens *zitadelTokens
}

func runZitadel(ctx context.Context, s server) {
	base := os.Getenv("HEIRLOOM_APP")
	party, err := partyOf(ctx, s, base)
	if err != nil {
		fatal(err)
	}
	a := &zitadelApp{RelyingParty: party, base: base}
	about := map[string]any{"library": "zitadel/oidc", "version": versionOf("github.com/zitadel/oidc/v3")}
	serveApp(about, map[string]http.HandlerFunc{
		"/login":    a.login,
		"/callback": rp.CodeExchangeHandler(rp.UserinfoCallback(a.signedIn), party),
		"/refresh":  answering(a.refresh),
		"/logout":   a.logout,
	})
}

// partyOf discovers the issuer. It checks state and PKCE by cookies of its own.
func partyOf(ctx context.Context, s server, base string) (rp.RelyingParty, error) {
	scopes := strings.Fields(os.Getenv("HEIRLOOM_APP_SCOPE"))
	// Over https leave WithUnsecure out.
	cookies := httphelper.NewCookieHandler(random(32), random(32), httphelper.WithUnsecure())
	return rp.NewRelyingPartyOIDC(ctx, s.issuer, s.clientID, s.clientSecret, base+"/callback", scopes, rp.WithPKCE(cookies))
}

func random(size int) []byte {
	bytes := make([]byte, size)
	if _, err := rand.Read(bytes); err != nil {
		fatal(err)
	}
	return bytes
}

func (a *zitadelApp) login(response http.ResponseWriter, request *http.Request) {
	var options []rp.URLParamOpt
	if prompt := request.FormValue("prompt"); prompt != "" {
		options = append(options, rp.WithPromptURLParam(prompt))
	}
	rp.AuthURLHandler(oauth2.GenerateVerifier, a, options...)(response, request)
}

func (a *zitadelApp) signedIn(response http.ResponseWriter, _ *http.Request, tokens *zitadelTokens, _ string, _ rp.RelyingParty, user *oidc.UserInfo) {
	a.tokens = tokens
	claims := tokens.IDTokenClaims
	writeJSON(response, map[string]any{
		"sub": claims.Subject, "auth_time": int64(claims.AuthTime), "name": user.PreferredUsername,
	})
}

func (a *zitadelApp) refresh(ctx context.Context, _ *http.Request) (map[string]any, error) {
	next, err := rp.RefreshTokens[*oidc.IDTokenClaims](ctx, a, a.tokens.RefreshToken, "", "")
	if err != nil {
		return nil, err
	}
	changed := next.AccessToken != a.tokens.AccessToken && next.RefreshToken != a.tokens.RefreshToken
	a.tokens = next
	return map[string]any{"sub": next.IDTokenClaims.Subject, "changed": changed}, nil
}

// logout sends the person's browser; rp.EndSession would ask from here, without the person's cookie.
func (a *zitadelApp) logout(response http.ResponseWriter, request *http.Request) {
	question := url.Values{"id_token_hint": {a.tokens.IDToken}, "post_logout_redirect_uri": {a.base + "/"}}
	http.Redirect(response, request, a.GetEndSessionEndpoint()+"?"+question.Encode(), http.StatusFound)
}
