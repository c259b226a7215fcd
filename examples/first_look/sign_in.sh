#!/bin/sh
# Signs in and refreshes, by curl: sign_in.sh PASSWORD [ISSUER]
set -eu
password=$1 issuer=${2:-http://127.0.0.1:8080}

# ask CURL'S ARGUMENTS: keeps the answer in $answer, and stops if it is an error.
ask() { answer=$(curl -sS --fail-with-body "$@") || { echo "$answer" >&2; exit 1; }; }

# field NAME: prints a text member of $answer.
field() { echo "$answer" | sed -n "s/.*\"$1\" *: *\"\([^\"]*\)\".*/\1/p"; }

# greet TEXT: keeps the refresh token, and prints the name of the user that the access token belongs to.
greet() {
    refresh_token=$(field refresh_token)
    ask "$issuer/oauth/userinfo" -H "Authorization: Bearer $(field access_token)"
    echo "$1: $(field preferred_username)"
}

ask "$issuer/oauth/token" -d client_id=demo-public -d grant_type=password -d username=demo \
    --data-urlencode "password=$password" -d scope=profile
greet 'signed in'
ask "$issuer/oauth/token" -d client_id=demo-public -d grant_type=refresh_token -d "refresh_token=$refresh_token"
greet refreshed
