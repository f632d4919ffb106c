#!/bin/sh
# What the image runs: a command of brokerweb, unless another program is named.
set -eu
case "${1:-serve}" in
    brokerweb | python | python3 | sh | bash | */*) ;;
    *) set -- brokerweb "${@:-serve}" ;;
esac
exec "$@"
