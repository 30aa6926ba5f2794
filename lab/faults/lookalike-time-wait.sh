# Nothing is wrong: a client asks often, each time on a new connection that the service closes first, so that hundreds
# of them wait out their minute on the service's side of the port.
waiting() { ss -Htan state time-wait "sport = :$port" | wc -l; }
client() { started_with 'CLIENT_OF=proxy-service' "HOME=$HOME"; }

if [ -n "$(client)" ]; then
  echo 'already there'
  exit 0
fi
CLIENT_OF=proxy-service setsid node -e '
  const { HOST = "0.0.0.0", PORT = "3000" } = process.env;
  const host = HOST === "0.0.0.0" ? "127.0.0.1" : HOST;
  let asked = 0;
  const ask = () => {
    asked += 1;
    const line = require("net").connect(Number(PORT), host, () => line.write("GET /health HTTP/1.0\r\n\r\n"));
    // a service that is away is no reason to end: it is asked again
    line.setTimeout(5000, () => line.destroy()).on("error", () => {}).resume();
    setTimeout(ask, asked < 400 ? 5 : 100);
  };
  ask();' >/dev/null 2>&1 </dev/null &
tries=0
while [ "$(waiting)" -lt 300 ]; do
  tries=$((tries + 1))
  if [ "$tries" -ge 200 ]; then
    echo "$(waiting) connections wait on :$port, not hundreds" >&2
    exit 1
  fi
  sleep 0.1
done
echo 'hundreds of closed connections wait'
