"""An SSH server that says what a well-made one cannot be made to say.

It executes what it is asked to, up to a script that says `echo LIE`: argv[1] is its host key, argv[2] what it then does.
`elsewhere`: it gives exit status 0 to channels that nobody opened, and closes the one that was opened. `refuses`: it
refuses what it granted long ago, and says 0 with the nonce. It prints its port.
"""

import asyncio
import re
import sys

import asyncssh
from asyncssh.packet import UInt32

MSG_CHANNEL_FAILURE = 100


class Server(asyncssh.SSHServer):
    def begin_auth(self, username):
        return False


async def pump(source, write):
    while data := await source.read(65536):
        write(data)


def elsewhere(process, sent):
    channel = process.channel
    own = channel._send_chan
    for other in [number for number in range(64) if number != own]:
        channel._send_chan = other
        channel._send_request(b"exit-status", UInt32(0))
    channel._send_chan = own
    channel.close()


def refuses(process, sent):
    nonce = re.search(rb"__rb '([0-9a-f]{32})'", sent).group(1)
    process.channel.send_packet(MSG_CHANNEL_FAILURE)
    for stream in (process.stdout, process.stderr):
        stream.write(b"\n" + nonce + b" begin\n\n" + nonce + b" end 0\n")


async def serve(process):
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_shell(process.command, stdin=pipe, stdout=pipe, stderr=pipe)
    out = asyncio.create_task(pump(child.stdout, process.stdout.write))
    err = asyncio.create_task(pump(child.stderr, process.stderr.write))
    while data := await process.stdin.read(65536):
        if b"echo LIE" in data:
            {"elsewhere": elsewhere, "refuses": refuses}[sys.argv[2]](process, data)
            print("lied", flush=True)
            break
        child.stdin.write(data)
    child.stdin.close()
    await asyncio.gather(out, err, child.wait())


async def main():
    options = {"server_host_keys": [sys.argv[1]], "process_factory": serve, "encoding": None}
    server = await asyncssh.create_server(Server, "127.0.0.1", 0, **options)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.sleep(600)


asyncio.run(main())
