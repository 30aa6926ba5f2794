# What a host does for the user app once it is up: the apps of the last save, or the first deployment.
set -eu
if [ -s "$HOME/.pm2/dump.pm2" ]; then
  exec pm2 resurrect
fi
cd "$HOME/proxy-service"
pm2 start ecosystem.config.js --only proxy-service
exec pm2 save
