// Runs one of the Go libraries against a heirloom server that is described by the environment, and prints a line of JSON
// for each check: see ../README.md.
package main

import (
	"context"
	"fmt"
	"os"
	"time"
)

// Longer than any program takes.
const patience = 2 * time.Minute

func main() {
	programs := map[string]func(context.Context, server){
		"x-oauth2":         runOAuth2,
		"x-oauth2-machine": runClientCredentials,
		"go-oidc":          runOIDC,
		"jwx":              runJWX,
		"sign-in":          runSignIn,
		"zitadel":          runZitadel,
	}
	name := ""
	if len(os.Args) == 2 {
		name = os.Args[1]
	}
	run, ok := programs[name]
	if !ok {
		fmt.Fprintf(os.Stderr, "there is no program %q\n", name)
		os.Exit(2)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	run(ctx, serverFromEnvironment())
}
