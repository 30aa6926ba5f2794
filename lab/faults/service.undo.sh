# Whatever was made of the service, and whatever was done about it since: it is as it was first deployed.
if ! [ -S "$HOME/.pm2/rpc.sock" ]; then
  # asking PM2 would start a daemon on a host that has none
  if [ "$(form)" = "$deployed" ] && [ -z "$(processes)" ]; then
    echo 'not there'
    exit 0
  fi
  pm2 resurrect >/dev/null
fi
if [ "$(form)" = "$deployed" ] && [ "$(answering 1 1)" = "$(pm2 pid proxy-service)" ]; then
  echo 'not there'
  exit 0
fi
take_away
rm -f reuseport.pl
pm2 start ecosystem.config.js --only proxy-service >/dev/null
wait_for 1
pm2 save >/dev/null
echo 'the service runs as it was first deployed'
