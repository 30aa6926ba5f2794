# The service was started by `npm start`; npm was killed, as the kernel does where memory ends, and the node that it had
# started lives on and keeps the port. PM2 starts npm again, for ever: each attempt fails 1.5 s after its start, later
# than PM2's min_uptime of 1 s, so that it counts as stable and is called online.
log="$HOME/.pm2/pm2.log"
exits() { grep -c 'App \[proxy-service:[0-9]*\] exited with code' "$log" || true; }

# Whether a process has this PM2's daemon above it.
is_managed() {
  pid=$1
  while [ "${pid:-0}" -gt 1 ]; do
    if tr '\0' ' ' <"/proc/$pid/cmdline" | grep -q "^PM2 v.*($HOME/.pm2)"; then return 0; fi
    pid=$(ps -o ppid= -p "$pid" | tr -d ' ')
  done
  return 1
}

if ! command -v npm >/dev/null; then
  echo 'there is no npm, which this fault is about' >&2
  exit 1
fi
if holder=$(answering 1 1) && processes | grep -qx "$holder" && ! is_managed "$holder"; then
  echo 'already there'
  exit 0
fi
take_away
START_DELAY=1500 npm_config_update_notifier=false pm2 start npm --name proxy-service -- start >/dev/null
wait_for 1
holder=$(answering 1 1)
before=$(exits)
kill -KILL "$(pm2 pid proxy-service)"
pm2 save >/dev/null

# back only once the loop is seen to loop
tries=0
while [ "$(exits)" -lt $((before + 3)) ]; do
  tries=$((tries + 1))
  if [ "$tries" -ge 400 ]; then
    echo 'npm was killed and its successors did not fail twice within 40 s' >&2
    exit 1
  fi
  sleep 0.1
done
echo "pid $holder keeps the port and PM2 has lost it; its successors fail and are restarted"
