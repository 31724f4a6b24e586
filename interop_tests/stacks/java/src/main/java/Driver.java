import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.zeromq.SocketType;
import org.zeromq.ZContext;
import org.zeromq.ZMQ;
import org.zeromq.ZMQException;

/**
 * The driver of JeroMQ: does what its standard input says, a line at a time (minizmtp/check/program.py says what).
 */
public class Driver {
    static final String VERSION = "0.6.0";
    static final int SEND_TIMEOUT = 2000;
    static final String NONE = "none";

    static class Refusal extends RuntimeException {
        Refusal(String words) {
            super(words);
        }
    }

    final ZContext context = new ZContext();
    final Map<String, ZMQ.Socket> sockets = new HashMap<>();
    final Map<String, String> passwords = new HashMap<>();
    int count = 0;
    boolean guarded = false;

    static byte[] octets(String word) {
        if (word.equals("-")) {
            return new byte[0];
        }
        byte[] found = new byte[word.length() / 2];
        for (int i = 0; i < found.length; i++) {
            found[i] = (byte) Integer.parseInt(word.substring(2 * i, 2 * i + 2), 16);
        }
        return found;
    }

    static String word(byte[] octets) {
        StringBuilder text = new StringBuilder();
        for (byte octet : octets) {
            text.append(String.format("%02x", octet));
        }
        return octets.length == 0 ? "-" : text.toString();
    }

    static byte[] numbered(int number, int size) {
        return ByteBuffer.allocate(size).putInt(number).array();
    }

    String make(String kind, String[] options) {
        SocketType type;
        try {
            type = SocketType.valueOf(kind);
        } catch (IllegalArgumentException error) {
            throw new Refusal("there is no " + kind);
        }
        ZMQ.Socket socket = context.createSocket(type);
        socket.setLinger(0);
        socket.setSendTimeOut(SEND_TIMEOUT);
        for (String option : options) {
            String[] pair = option.split("=", 2);
            set(socket, pair[0], pair[1]);
        }
        String number = String.valueOf(++count);
        sockets.put(number, socket);
        return number;
    }

    void set(ZMQ.Socket socket, String name, String value) {
        String[] parts = value.split(":");
        switch (name) {
            case "heartbeat_ivl":
                socket.setHeartbeatIvl(Integer.parseInt(value));
                break;
            case "routing_id":
                socket.setIdentity(octets(value));
                break;
            case "plain_server":
                passwords.put(new String(octets(parts[0])), new String(octets(parts[1])));
                guard();
                socket.setPlainServer(true);
                break;
            case "plain_client":
                socket.setPlainUsername(octets(parts[0]));
                socket.setPlainPassword(octets(parts[1]));
                break;
            case "curve_server":
                guard();
                socket.setCurveServer(true);
                socket.setCurveSecretKey(octets(parts[0]));
                break;
            case "curve_client":
                socket.setCurvePublicKey(octets(parts[0]));
                socket.setCurveSecretKey(octets(parts[1]));
                socket.setCurveServerKey(octets(parts[2]));
                break;
            default:
                throw new Refusal("there is no option " + name);
        }
    }

    /** A ZAP handler: lets in the names and passwords that it knows, and every key. */
    void guard() {
        if (guarded) {
            return;
        }
        guarded = true;
        ZMQ.Socket gate = context.createSocket(SocketType.REP);
        gate.setLinger(0);
        gate.bind("inproc://zeromq.zap.01");
        Thread thread = new Thread(() -> {
            try {
                while (true) {
                    List<byte[]> frames = receive(gate, -1);
                    boolean right = !new String(frames.get(5)).equals("PLAIN")
                        || new String(frames.get(7)).equals(passwords.get(new String(frames.get(6))));
                    gate.sendMore("1.0");
                    gate.sendMore(frames.get(1));
                    gate.sendMore(right ? "200" : "400");
                    gate.sendMore(right ? "OK" : "No");
                    gate.sendMore(right ? "user" : "");
                    gate.send("");
                }
            } catch (RuntimeException error) {
                return;
            }
        });
        thread.setDaemon(true);
        thread.start();
    }

    static List<byte[]> receive(ZMQ.Socket socket, int timeout) {
        socket.setReceiveTimeOut(timeout);
        byte[] first = socket.recv();
        if (first == null) {
            return null;
        }
        List<byte[]> frames = new ArrayList<>();
        frames.add(first);
        while (socket.hasReceiveMore()) {
            frames.add(socket.recv());
        }
        return frames;
    }

    boolean send(ZMQ.Socket socket, List<byte[]> frames) {
        for (int i = 0; i < frames.size(); i++) {
            boolean last = i == frames.size() - 1;
            if (!socket.send(frames.get(i), last ? 0 : ZMQ.SNDMORE)) {
                if (socket.errno() == 35 || socket.errno() == 11) {
                    return false;
                }
                throw new ZMQException("send", socket.errno());
            }
        }
        return true;
    }

    String answer(String[] words) {
        if (words[0].equals("name")) {
            return "JeroMQ " + VERSION;
        }
        if (words[0].equals("socket")) {
            return make(words[1], Arrays.copyOfRange(words, 2, words.length));
        }
        ZMQ.Socket socket = words.length > 1 ? sockets.get(words[1]) : null;
        if (socket == null) {
            throw new Refusal("there is no " + String.join(" ", words));
        }
        switch (words[0]) {
            case "bind":
                socket.bind(words[2].replaceAll(":0$", ":*"));
                return socket.getLastEndpoint();
            case "connect":
                socket.connect(words[2]);
                return "";
            case "send": {
                List<byte[]> frames = new ArrayList<>();
                for (int i = 2; i < words.length; i++) {
                    frames.add(octets(words[i]));
                }
                return send(socket, frames) ? "" : NONE;
            }
            case "recv": {
                List<byte[]> frames = receive(socket, Integer.parseInt(words[2]));
                if (frames == null) {
                    return NONE;
                }
                StringBuilder text = new StringBuilder();
                for (byte[] frame : frames) {
                    text.append(word(frame)).append(' ');
                }
                return text.toString();
            }
            case "subscribe":
                socket.subscribe(octets(words[2]));
                return "";
            case "unsubscribe":
                socket.unsubscribe(octets(words[2]));
                return "";
            case "flood":
                for (int i = 0; i < Integer.parseInt(words[2]); i++) {
                    if (!send(socket, List.of(numbered(i, Integer.parseInt(words[3]))))) {
                        return NONE;
                    }
                }
                return "";
            case "drain":
                for (int i = 0; i < Integer.parseInt(words[2]); i++) {
                    List<byte[]> frames = receive(socket, Integer.parseInt(words[4]));
                    boolean right = frames != null && frames.size() == 1
                        && Arrays.equals(frames.get(0), numbered(i, Integer.parseInt(words[3])));
                    if (!right) {
                        return String.valueOf(i);
                    }
                }
                return words[2];
            case "close":
                sockets.remove(words[1]);
                context.destroySocket(socket);
                return "";
            default:
                throw new Refusal("there is no " + words[0]);
        }
    }

    /** What libzmq and its port leave to the thread of the program is done while it calls a socket. */
    void attend() {
        for (ZMQ.Socket socket : sockets.values()) {
            try {
                socket.getEvents();
            } catch (RuntimeException error) {
                continue;
            }
        }
    }

    public static void main(String[] arguments) throws Exception {
        Driver driver = new Driver();
        LinkedBlockingQueue<String> lines = new LinkedBlockingQueue<>();
        Thread reader = new Thread(() -> {
            try (BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.ISO_8859_1))) {
                in.lines().forEach(lines::add);
            } catch (IOException error) {
                // The end, as well.
            }
            lines.add("quit");
        });
        reader.setDaemon(true);
        reader.start();
        while (true) {
            String line;
            while ((line = lines.poll(5, TimeUnit.MILLISECONDS)) == null) {
                driver.attend();
            }
            if (line.equals("quit")) {
                System.exit(0);
            }
            String said;
            try {
                String rest = driver.answer(line.trim().split(" +"));
                said = rest == NONE ? NONE : ("ok " + rest).trim();
            } catch (Refusal refusal) {
                said = "no " + refusal.getMessage();
            } catch (UnsupportedOperationException error) {
                said = "no " + error.getMessage();
            } catch (RuntimeException error) {
                said = ("error " + error).replaceAll("\\s+", " ");
            }
            System.out.println(said);
            System.out.flush();
            driver.attend();
        }
    }
}
