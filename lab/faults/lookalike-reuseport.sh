# Nothing is wrong: two processes of the service, each with a socket of its own on the port (SO_REUSEPORT). The option
# is set by perl, because node knows it only from version 22 on; the process then becomes node.
if ! command -v perl >/dev/null; then
  echo 'there is no perl, which makes the sockets' >&2
  exit 1
fi
if [ "$(form)" = 'fork_mode reuseport.pl online, fork_mode reuseport.pl online' ]; then
  echo 'already there'
  exit 0
fi
take_away
cat >reuseport.pl <<'PERL'
use strict;
use Socket;
use Fcntl;
socket(my $socket, AF_INET, SOCK_STREAM, 0) or die "socket: $!";
setsockopt($socket, SOL_SOCKET, $_, pack('l', 1)) or die "setsockopt: $!" for SO_REUSEADDR, SO_REUSEPORT;
bind($socket, sockaddr_in($ENV{PORT} || 3000, inet_aton($ENV{HOST} || '0.0.0.0'))) or die "bind: $!";
listen($socket, 511) or die "listen: $!";
fcntl($socket, F_SETFD, 0) or die "fcntl: $!";
$ENV{LISTEN_FD} = fileno($socket);
exec 'node', 'server.js' or die "exec: $!";
PERL
pm2 start reuseport.pl --interpreter perl --name proxy-service -i 2 >/dev/null
wait_for 2
pm2 save >/dev/null
echo 'two processes share the port'
