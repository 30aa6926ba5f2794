# Nothing is wrong: PM2 runs `npm start`, and the node that listens is a grandchild of its entry.
if ! command -v npm >/dev/null; then
  echo 'there is no npm, which this is about' >&2
  exit 1
fi
if [ "$(form)" = 'fork_mode npm online' ]; then
  echo 'already there'
  exit 0
fi
take_away
npm_config_update_notifier=false pm2 start npm --name proxy-service -- start >/dev/null
wait_for 1
pm2 save >/dev/null
echo 'npm start answers'
