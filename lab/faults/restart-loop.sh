# A second app from the same folder on the same port. It fails 1.5 s after its start, later than PM2's min_uptime of
# 1 s, so that no attempt counts as unstable: PM2 restarts it for ever and calls it online.
set -eu
log="$HOME/.pm2/pm2.log"
exits() { grep -c 'App \[proxy-server:[0-9]*\] exited with code' "$log" || true; }

found=$(pm2 id proxy-server)
case "$found" in
'[]') ;;
'[ '*) echo 'already there' && exit 0 ;;
*) echo "PM2 does not say whether proxy-server is there: $found" >&2 && exit 1 ;;
esac
before=$(exits)
cd "$HOME/proxy-service"
PORT="${PORT:-3000}" START_DELAY=1500 pm2 start server.js --name proxy-server >/dev/null
pm2 save >/dev/null

# back only once the loop is seen to loop
tries=0
while [ "$(exits)" -lt $((before + 2)) ]; do
  tries=$((tries + 1))
  if [ "$tries" -ge 400 ]; then
    echo 'proxy-server was started and did not fail twice within 40 s' >&2
    exit 1
  fi
  sleep 0.1
done
echo 'proxy-server fails and is restarted'
