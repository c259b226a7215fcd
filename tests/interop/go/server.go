package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"time"
)

// plain sends requests that no library sends.
var plain = &http.Client{Timeout: 30 * time.Second}

// server is the heirloom server.
type server struct {
	issuer, clientID, clientSecret, publicClientID, username, password, audience, typ, rotate string
}

func serverFromEnvironment() server {
	variable := func(name string) string {
		value := os.Getenv("HEIRLOOM_" + name)
		if value == "" {
			fatal("HEIRLOOM_" + name + " is not set")
		}
		return value
	}
	return server{
		issuer:         variable("ISSUER"),
		clientID:       variable("CLIENT_ID"),
		clientSecret:   variable("CLIENT_SECRET"),
		publicClientID: variable("PUBLIC_CLIENT_ID"),
		username:       variable("USERNAME"),
		password:       variable("PASSWORD"),
		audience:       variable("AUDIENCE"),
		typ:            os.Getenv("HEIRLOOM_TYP"),
		rotate:         os.Getenv("HEIRLOOM_ROTATE"),
	}
}

// accessToken signs in by plain HTTP, as any client, and returns the access token.
func (s server) accessToken(ctx context.Context) (string, error) {
	form := url.Values{
		"grant_type": {"password"}, "client_id": {s.publicClientID},
		"username": {s.username}, "password": {s.password}, "scope": {"read write"},
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.issuer+"/oauth/token", strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := plain.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	var answer struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return "", fmt.Errorf("signing in: %s: %w", response.Status, err)
	}
	if answer.AccessToken == "" {
		return "", fmt.Errorf("signing in: %s", response.Status)
	}
	return answer.AccessToken, nil
}

// untilExpired waits until userinfo refuses an access token, and checks the refusal (RFC 6750, 3.1).
func (s server) untilExpired(ctx context.Context, token string) error {
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.issuer+"/oauth/userinfo", nil)
		if err != nil {
			return err
		}
		request.Header.Set("Authorization", "Bearer "+token)
		response, err := plain.Do(request)
		if err != nil {
			return err
		}
		response.Body.Close()
		if response.StatusCode == http.StatusUnauthorized {
			challenge := response.Header.Get("WWW-Authenticate")
			if !strings.Contains(challenge, `error="invalid_token"`) {
				return fmt.Errorf("the challenge is %q", challenge)
			}
			return nil
		}
		if response.StatusCode != http.StatusOK {
			return fmt.Errorf("userinfo: %s", response.Status)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// rotateKey makes the server sign with a new key.
func (s server) rotateKey(ctx context.Context) error {
	command := exec.CommandContext(ctx, "sh", "-c", s.rotate)
	command.Stdout, command.Stderr = os.Stderr, os.Stderr
	if err := command.Run(); err != nil {
		return fmt.Errorf("HEIRLOOM_ROTATE: %w", err)
	}
	return nil
}
