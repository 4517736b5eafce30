"""Runs Autobahn's `wstest`; a fuzzing server takes a free port and says when it listens.

Python 2. The suite itself can only listen on a port chosen beforehand, and never says that it does.
"""

from autobahntestsuite import fuzzing, wstest
from twisted.internet import reactor


def listen(factory, _tls):
    port = reactor.listenTCP(0, factory, interface="127.0.0.1")
    factory.port = factory.externalPort = port.getHost().port
    print "listening on ws://127.0.0.1:%d" % factory.port


fuzzing.listenWS = listen
wstest.run()
