#!/bin/sh
# Signs in and refreshes, by curl: sign_in.sh PASSWORD [ISSUER]
set -eu
password=$1 issuer=${2:-http://127.0.0.1:8080}

# field NAME: a text of the JSON on standard input.
field() { sed -n "s/.*\"$1\" *: *\"\([^\"]*\)\".*/\1/p"; }

# token FORM: asks for tokens.
token() { curl -sS --fail-with-body "$issuer/oauth/token" -d client_id=demo-public "$@"; }

# name: whose the access token in $answer is.
name() { curl -sS --fail-with-body "$issuer/oauth/userinfo" -H "Authorization: Bearer $(echo "$answer" | field access_token)" | field preferred_username; }

answer=$(token -d grant_type=password -d username=demo --data-urlencode "password=$password" -d scope=profile)
echo "signed in: $(name)"
answer=$(token -d grant_type=refresh_token -d "refresh_token=$(echo "$answer" | field refresh_token)")
echo "refreshed: $(name)"
