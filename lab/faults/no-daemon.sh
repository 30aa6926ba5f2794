# The host has no PM2 daemon, so no app either. The last save stays.
set -eu
if ! [ -S "$HOME/.pm2/rpc.sock" ]; then
  echo 'already there'
  exit 0
fi
pm2 kill >/dev/null
tries=0
while [ -S "$HOME/.pm2/rpc.sock" ]; do
  tries=$((tries + 1))
  if [ "$tries" -ge 100 ]; then
    echo 'the PM2 daemon did not end within 10 s' >&2
    exit 1
  fi
  sleep 0.1
done
echo 'there is no PM2 daemon'
