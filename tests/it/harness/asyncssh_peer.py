"""An SSH server that is not OpenSSH, and misbehaves in one chosen way.

Usage: asyncssh_peer.py HABIT HOST_KEY...; prints the port it listens on, and ends with its standard input.
"""

import asyncio
import sys

import asyncssh
from asyncssh import auth
from asyncssh.connection import SSHServerConnection
from asyncssh.packet import String

habit, host_keys = sys.argv[1], sys.argv[2:]
PASSWD_CHANGEREQ = 60


class Server(asyncssh.SSHServer):
    def begin_auth(self, username):
        return True

    def public_key_auth_supported(self):
        return habit in ("partial", "change", "mute", "cut", "signs-otherwise", "shows-another")

    def password_auth_supported(self):
        return habit in ("password", "change")

    def validate_password(self, username, password):
        raise asyncssh.PasswordChangeRequired("your password has expired")

    def kbdint_auth_supported(self):
        return habit in ("one-time", "partial")

    def get_kbdint_challenge(self, username, lang, submethods):
        return ("", "one-time password", "", [("code: ", False)])


async def start(self, packet):
    """What becomes of an offered key."""
    if habit == "mute":
        return
    if habit == "cut":
        self._conn._transport.abort()
        return
    if habit == "change" and not packet.get_boolean():
        packet.get_consumed_payload()
        self.send_packet(PASSWD_CHANGEREQ, String("your password has expired"), String(""))
        return
    if habit == "change":
        # from now on a password is the only way
        Server.public_key_auth_supported = lambda _: False
        self.send_failure()
        return
    if habit == "partial":
        self.send_failure(True)
        return
    self.send_failure()


def shows_another(self, algorithms):
    """The second key, whatever was agreed on."""
    self._server_host_key = list(self._server_host_keys.values())[-1]
    return True


def signs_otherwise(self, algorithms):
    """The agreed key, with another hash."""
    key = self._server_host_keys[b"rsa-sha2-512"]
    key.set_sig_algorithm(b"rsa-sha2-256")
    self._server_host_key = key
    return True


async def main():
    auth._ServerPublicKeyAuth._start = start
    if habit == "shows-another":
        SSHServerConnection.choose_server_host_key = shows_another
    if habit == "signs-otherwise":
        SSHServerConnection.choose_server_host_key = signs_otherwise
    server = await asyncssh.create_server(Server, "127.0.0.1", 0, server_host_keys=host_keys)
    print(server.get_port(), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


asyncio.run(main())
