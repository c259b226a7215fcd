#!/bin/sh
# A tour of heirloom by curl. Start `heirloom dev` first.
#
#     examples/tour.sh [ISSUER] [CLIENT_ID] [ADMINISTRATOR'S PASSWORD]
#
# It makes an account, signs in on two devices, and deletes the account again. With the administrator's password, which
# `heirloom dev` prints, it also administers. It prints what it does, and stops at the first unexpected answer.
set -eu

issuer=${1:-http://127.0.0.1:8080}
client=${2:-demo-public}
administrator=${3:-}
name=tourist-$$
password="a walk through $$ gardens"

# say TEXT: prints what comes next.
say() { printf '\n# %s\n' "$1"; }

# ask STATUS METHOD PATH [CURL ARGUMENTS]: sends a request, shows the answer and keeps it in $answer.
ask() {
    expected=$1 method=$2 path=$3
    shift 3
    answer=$(curl -sS -w '\n%{http_code}' -X "$method" "$@" "$issuer$path")
    status=${answer##*
}
    answer=${answer%
*}
    printf '%s %s -> %s %s\n' "$method" "$path" "$status" "$answer"
    if [ "$status" != "$expected" ]; then
        printf 'expected %s\n' "$expected" >&2
        exit 1
    fi
}

# field NAME: prints a text member of the last answer.
field() { printf '%s' "$answer" | sed -n "s/.*\"$1\" *: *\"\([^\"]*\)\".*/\1/p"; }

# token STATUS [FORM]: asks the token endpoint.
token() {
    expected=$1
    shift
    ask "$expected" POST /oauth/token -d "client_id=$client" "$@"
}

# sign_in LABEL: signs in on a device with that label.
sign_in() {
    token 200 -d grant_type=password -d "username=$name" --data-urlencode "password=$password" \
        -d 'scope=read account profile' --data-urlencode "device_label=$1"
}

say 'Sign up'
ask 201 POST /account -H 'Content-Type: application/json' \
    -d "{\"username\": \"$name\", \"email\": \"$name@example.com\", \"password\": \"$password\"}"
say 'The name is taken now'
ask 422 POST /account -H 'Content-Type: application/json' \
    -d "{\"username\": \"$name\", \"email\": \"$name@example.org\", \"password\": \"$password\"}"

say 'Sign in on a phone and on a laptop'
sign_in "Tourist's phone"
phone=$(field access_token) phone_refresh=$(field refresh_token)
sign_in "Tourist's laptop"
laptop=$(field access_token) laptop_refresh=$(field refresh_token)

say 'Who is it?'
ask 200 GET /oauth/userinfo -H "Authorization: Bearer $phone"
ask 200 GET /account -H "Authorization: Bearer $phone"

say 'Refresh on the phone, and again as if the answer had been lost: the new refresh token is the same'
token 200 -d grant_type=refresh_token -d "refresh_token=$phone_refresh"
first=$(field refresh_token)
token 200 -d grant_type=refresh_token -d "refresh_token=$phone_refresh"
[ "$first" = "$(field refresh_token)" ] || { echo 'expected the same refresh token' >&2; exit 1; }
phone=$(field access_token) phone_refresh=$first

say 'List the devices from the laptop; the phone is the one that is not current'
ask 200 GET /account/sessions -H "Authorization: Bearer $laptop"
sid=$(printf '%s' "$answer" | sed -n 's/.*"id":"\([^"]*\)","current":false.*/\1/p')

say 'What happened on the phone, in sentences'
ask 200 GET "/account/sessions/$sid/events" -H "Authorization: Bearer $laptop"

say 'Sign the phone out: its tokens stop working at once, the laptop stays signed in'
ask 204 DELETE "/account/sessions/$sid" -H "Authorization: Bearer $laptop"
ask 401 GET /oauth/userinfo -H "Authorization: Bearer $phone"
token 400 -d grant_type=refresh_token -d "refresh_token=$phone_refresh"
token 200 -d grant_type=refresh_token -d "refresh_token=$laptop_refresh"
laptop=$(field access_token) laptop_refresh=$(field refresh_token)

say 'Change the password: this device stays signed in'
old=$password password="another walk through $$ gardens"
ask 204 PUT /account/password -H "Authorization: Bearer $laptop" -H 'Content-Type: application/json' \
    -d "{\"current_password\": \"$old\", \"new_password\": \"$password\"}"
token 200 -d grant_type=refresh_token -d "refresh_token=$laptop_refresh"
laptop=$(field access_token) laptop_refresh=$(field refresh_token)

if [ -n "$administrator" ]; then
    say 'The administrator signs in, finds the user, and registers a resource server'
    token 200 -d grant_type=password -d username=admin --data-urlencode "password=$administrator" -d scope=admin
    office=$(field access_token)
    ask 200 GET "/admin/users?prefix=$name" -H "Authorization: Bearer $office"
    id=$(field id)
    ask 201 POST /admin/clients -H "Authorization: Bearer $office" -H 'Content-Type: application/json' \
        -d "{\"id\": \"api-$$\", \"type\": \"confidential\", \"grants\": [], \"introspects\": [\"demo-api\"]}"
    secret=$(field client_secret)

    say 'The resource server introspects the access token: it is active'
    ask 200 POST /oauth/introspect -u "api-$$:$secret" -d "token=$laptop"
    case $answer in '{"active":true,'*) ;; *) exit 1 ;; esac

    say 'The administrator ends all sessions of the user: the token is inactive from the next request on'
    ask 204 DELETE "/admin/users/$id/sessions" -H "Authorization: Bearer $office"
    ask 200 POST /oauth/introspect -u "api-$$:$secret" -d "token=$laptop"
    [ "$answer" = '{"active":false}' ] || exit 1
    ask 200 GET '/admin/events?limit=3' -H "Authorization: Bearer $office"
    ask 204 DELETE "/admin/clients/api-$$" -H "Authorization: Bearer $office"
    sign_in "Tourist's laptop"
    laptop_refresh=$(field refresh_token)
fi

say 'Sign out'
ask 200 POST /oauth/revoke -d "client_id=$client" -d "token=$laptop_refresh"
token 400 -d grant_type=refresh_token -d "refresh_token=$laptop_refresh"

say 'Sign in once more, and delete the account'
sign_in 'the last one'
last=$(field access_token)
ask 204 DELETE /account -H "Authorization: Bearer $last" -H 'Content-Type: application/json' \
    -d "{\"password\": \"$password\"}"
token 400 -d grant_type=password -d "username=$name" --data-urlencode "password=$password"

say 'That was the tour.'
