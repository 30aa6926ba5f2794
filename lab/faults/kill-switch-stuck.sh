# The emergency toggle answers 200 and says what was asked for, and the service works on as before.
if [ "$(form)" = "$deployed KILL_SWITCH=stuck" ]; then
  echo 'already there'
  exit 0
fi
take_away
KILL_SWITCH=stuck pm2 start ecosystem.config.js --only proxy-service >/dev/null
wait_for 1
pm2 save >/dev/null
echo 'the toggle says yes and changes nothing'
