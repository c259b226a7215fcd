// Signs in, lists the sessions, refreshes and signs out, by the clients of openapi-generator and of oapi-codegen for Go.
package main

import (
	"context"
	"fmt"
	"net/http"
	"os"

	"generated.test/client/oapi"
	"generated.test/client/openapi"
)

var issuer, clientID, username, password = os.Getenv("ISSUER"), os.Getenv("CLIENT_ID"), os.Getenv("USERNAME"), os.Getenv("PASSWORD")

func main() {
	for name, run := range map[string]func(context.Context) error{"openapi-generator": openAPIGenerator, "oapi-codegen": oapiCodegen} {
		if err := run(context.Background()); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
			os.Exit(1)
		}
	}
}

func openAPIGenerator(ctx context.Context) error {
	configuration := openapi.NewConfiguration()
	configuration.Servers = openapi.ServerConfigurations{{URL: issuer}}
	client := openapi.NewAPIClient(configuration)
	tokens := client.TokensAPI
	signedIn, _, err := tokens.Token(ctx).GrantType("password").ClientId(clientID).Username(username).Password(password).Scope("account").Execute()
	if err != nil {
		return fmt.Errorf("signing in: %w", err)
	}
	authorized := context.WithValue(ctx, openapi.ContextAccessToken, signedIn.AccessToken)
	list, _, err := client.AccountAPI.ListSessions(authorized).Limit(10).Execute()
	if err != nil || len(list.Sessions) == 0 || list.Sessions[0].ClientId != clientID {
		return fmt.Errorf("listing the sessions: %v: %w", list, err)
	}
	refreshed, _, err := tokens.Token(ctx).GrantType("refresh_token").ClientId(clientID).RefreshToken(*signedIn.RefreshToken).Execute()
	if err != nil {
		return fmt.Errorf("refreshing: %w", err)
	}
	if _, _, err = tokens.Revoke(ctx).ClientId(clientID).Token(*refreshed.RefreshToken).Execute(); err != nil {
		return fmt.Errorf("signing out: %w", err)
	}
	if _, answer, err := tokens.Token(ctx).GrantType("refresh_token").ClientId(clientID).RefreshToken(*refreshed.RefreshToken).Execute(); err == nil || answer.StatusCode != 400 {
		return fmt.Errorf("not signed out: %v", err)
	}
	return nil
}

func oapiCodegen(ctx context.Context) error {
	client, err := oapi.NewClientWithResponses(issuer)
	if err != nil {
		return err
	}
	signedIn, err := client.TokenWithFormdataBodyWithResponse(ctx, oapi.TokenRequest{GrantType: "password", ClientId: &clientID, Username: &username, Password: &password, Scope: new("account")})
	if err != nil || signedIn.JSON200 == nil {
		return fmt.Errorf("signing in: %v: %w", signedIn, err)
	}
	bearer := func(_ context.Context, request *http.Request) error {
		request.Header.Set("Authorization", "Bearer "+signedIn.JSON200.AccessToken)
		return nil
	}
	list, err := client.ListSessionsWithResponse(ctx, &oapi.ListSessionsParams{}, bearer)
	if err != nil || list.JSON200 == nil || list.JSON200.Sessions[0].ClientId != clientID {
		return fmt.Errorf("listing the sessions: %v: %w", list, err)
	}
	refreshed, err := client.TokenWithFormdataBodyWithResponse(ctx, oapi.TokenRequest{GrantType: "refresh_token", ClientId: &clientID, RefreshToken: signedIn.JSON200.RefreshToken})
	if err != nil || refreshed.JSON200 == nil {
		return fmt.Errorf("refreshing: %v: %w", refreshed, err)
	}
	signedOut, err := client.RevokeWithFormdataBodyWithResponse(ctx, oapi.RevocationRequest{ClientId: &clientID, Token: refreshed.JSON200.RefreshToken})
	if err != nil || signedOut.StatusCode() != 200 {
		return fmt.Errorf("signing out: %v: %w", signedOut, err)
	}
	again, err := client.TokenWithFormdataBodyWithResponse(ctx, oapi.TokenRequest{GrantType: "refresh_token", ClientId: &clientID, RefreshToken: refreshed.JSON200.RefreshToken})
	if err != nil || again.JSON400 == nil || again.JSON400.Error != "invalid_grant" {
		return fmt.Errorf("not signed out: %v: %w", again, err)
	}
	return nil
}
