# Nothing is wrong: two cluster workers, for whom the daemon itself listens.
if [ "$(form)" = 'cluster_mode server.js online, cluster_mode server.js online' ]; then
  echo 'already there'
  exit 0
fi
take_away
pm2 start server.js --name proxy-service -i 2 >/dev/null
wait_for 2
pm2 save >/dev/null
echo 'two cluster workers answer'
