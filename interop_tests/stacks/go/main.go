// The driver of go-zeromq/zmq4: does what its standard input says, a line at a time (minizmtp/check/program.py says
// what).
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/go-zeromq/zmq4"
	"github.com/go-zeromq/zmq4/security/plain"
)

const version = "v0.17.0"

var errNone = errors.New("none")

type refusal struct{ words string }

func (r refusal) Error() string { return r.words }

// One socket. Received messages come through a channel, because Recv has no time limit.
type socket struct {
	zmq4.Socket
	kind     string
	received chan zmq4.Msg
	stop     context.CancelFunc
}

var makers = map[string]func(context.Context, ...zmq4.Option) zmq4.Socket{
	"PAIR": zmq4.NewPair, "PUB": zmq4.NewPub, "SUB": zmq4.NewSub, "REQ": zmq4.NewReq, "REP": zmq4.NewRep,
	"DEALER": zmq4.NewDealer, "ROUTER": zmq4.NewRouter, "PULL": zmq4.NewPull, "PUSH": zmq4.NewPush,
	"XPUB": zmq4.NewXPub, "XSUB": zmq4.NewXSub,
}

var sockets = map[string]*socket{}
var count int

func decoded(words []string) ([][]byte, error) {
	frames := make([][]byte, len(words))
	for i, word := range words {
		if word == "-" {
			frames[i] = []byte{}
			continue
		}
		frame, err := hex.DecodeString(word)
		if err != nil {
			return nil, err
		}
		frames[i] = frame
	}
	return frames, nil
}

func encoded(frames [][]byte) string {
	words := make([]string, len(frames))
	for i, frame := range frames {
		if words[i] = hex.EncodeToString(frame); words[i] == "" {
			words[i] = "-"
		}
	}
	return strings.Join(words, " ")
}

func makeSocket(kind string, words []string) (string, error) {
	maker, ok := makers[kind]
	if !ok {
		return "", refusal{"there is no " + kind}
	}
	options := []zmq4.Option{
		zmq4.WithAutomaticReconnect(true), zmq4.WithDialerRetry(100 * time.Millisecond),
		zmq4.WithDialerMaxRetries(-1), zmq4.WithLogger(log.New(io.Discard, "", 0)),
	}
	for _, word := range words {
		name, value, _ := strings.Cut(word, "=")
		frames, err := decoded(strings.Split(value, ":"))
		if name != "heartbeat_ivl" && err != nil {
			return "", err
		}
		switch name {
		case "routing_id":
			options = append(options, zmq4.WithID(zmq4.SocketIdentity(frames[0])))
		case "plain_client":
			options = append(options, zmq4.WithSecurity(plain.Security(string(frames[0]), string(frames[1]))))
		default:
			return "", refusal{"there is no option " + name}
		}
	}
	background, stop := context.WithCancel(context.Background())
	count++
	number := strconv.Itoa(count)
	sockets[number] = &socket{maker(background, options...), kind, nil, stop}
	return number, nil
}

func (s *socket) receive(patience time.Duration) ([][]byte, error) {
	if s.received == nil {
		received := make(chan zmq4.Msg, 10000)
		s.received = received
		go func() {
			for {
				message, err := s.Recv()
				if errors.Is(err, context.Canceled) || errors.Is(err, io.ErrClosedPipe) {
					return
				}
				if err != nil {
					time.Sleep(10 * time.Millisecond)
					continue
				}
				received <- message
			}
		}()
	}
	select {
	case message := <-s.received:
		return message.Frames, nil
	case <-time.After(patience):
		return nil, errNone
	}
}

func (s *socket) sendInTime(frames [][]byte) error {
	done := make(chan error, 1)
	go func() { done <- s.SendMulti(zmq4.NewMsgFrom(frames...)) }()
	select {
	case err := <-done:
		return err
	case <-time.After(2 * time.Second):
		return errNone
	}
}

func numbered(number, size int) []byte {
	body := make([]byte, size)
	binary.BigEndian.PutUint32(body, uint32(number))
	return body
}

func answer(words []string) (string, error) {
	switch words[0] {
	case "name":
		return "go-zeromq/zmq4 " + version, nil
	case "socket":
		return makeSocket(words[1], words[2:])
	}
	if len(words) < 2 || sockets[words[1]] == nil {
		return "", refusal{"there is no " + strings.Join(words, " ")}
	}
	s := sockets[words[1]]
	switch words[0] {
	case "bind":
		if err := s.Listen(words[2]); err != nil {
			return "", err
		}
		return "tcp://" + s.Addr().String(), nil
	case "connect":
		done := make(chan error, 1)
		go func() { done <- s.Dial(words[2]) }()
		select {
		case err := <-done:
			return "", err
		case <-time.After(20 * time.Millisecond): // its Dial waits for the handshake, which goes on behind the answer
			return "", nil
		}
	case "send":
		frames, err := decoded(words[2:])
		if err != nil {
			return "", err
		}
		return "", s.sendInTime(frames)
	case "recv":
		patience, _ := strconv.Atoi(words[2])
		frames, err := s.receive(time.Duration(patience) * time.Millisecond)
		return encoded(frames), err
	case "subscribe", "unsubscribe":
		frames, err := decoded(words[2:])
		if err != nil {
			return "", err
		}
		option := map[string]string{"subscribe": zmq4.OptionSubscribe, "unsubscribe": zmq4.OptionUnsubscribe}[words[0]]
		return "", s.SetOption(option, string(frames[0]))
	case "flood":
		number, _ := strconv.Atoi(words[2])
		size, _ := strconv.Atoi(words[3])
		for i := 0; i < number; i++ {
			if err := s.sendInTime([][]byte{numbered(i, size)}); err != nil {
				return "", err
			}
		}
		return "", nil
	case "drain":
		number, _ := strconv.Atoi(words[2])
		size, _ := strconv.Atoi(words[3])
		patience, _ := strconv.Atoi(words[4])
		for i := 0; i < number; i++ {
			frames, err := s.receive(time.Duration(patience) * time.Millisecond)
			if err != nil || len(frames) != 1 || !bytes.Equal(frames[0], numbered(i, size)) {
				return strconv.Itoa(i), nil
			}
		}
		return words[2], nil
	case "close":
		delete(sockets, words[1])
		s.stop()
		go s.Close()
		return "", nil
	}
	return "", refusal{"there is no " + words[0]}
}

func main() {
	lines := bufio.NewReader(os.Stdin)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return
		}
		rest, err := answer(strings.Fields(line))
		var no refusal
		switch {
		case errors.As(err, &no):
			fmt.Println("no", no.words)
		case errors.Is(err, errNone):
			fmt.Println("none")
		case err != nil:
			fmt.Println("error", strings.ReplaceAll(err.Error(), "\n", " "))
		default:
			fmt.Println(strings.TrimSpace("ok " + rest))
		}
	}
}
