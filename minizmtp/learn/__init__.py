"""Build your own ZeroMQ: ten steps, and a checker that attacks them. `python -m minizmtp.learn`

    program     the learner's program: how it is started, and what it reads and writes
    lessons     cases of the course's own, for programs that can't do a whole handshake yet
    course      the ten steps: which cases check them, where the text explains each, and hints
    hook        real libzmq at the other end
    progress    the file that says which steps are done
    run         a step's cases against a program, and the report
    __main__    the command line

The texts are in `steps/`. Most cases are those of `minizmtp.check`. Read the modules in this order.
"""
