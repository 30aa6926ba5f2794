found=$(started_with 'CLIENT_OF=proxy-service' "HOME=$HOME")
if [ -z "$found" ]; then
  echo 'not there'
  exit 0
fi
# one that ended in between is what is wanted
kill $found 2>/dev/null || true
echo 'the client is gone; what still waits goes within a minute'
