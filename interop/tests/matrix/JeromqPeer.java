// SPDX-License-Identifier: MIT OR Apache-2.0
// JeroMQ as a peer: speaks the lines of `ferromq_interop::script`, those that its test needs. Run from this
// source, with the jar on the class path.

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.math.BigInteger;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.Map;
import org.zeromq.ZMQ;

public class JeromqPeer {
    private static final long GOLDEN = 0x9e3779b97f4a7c15L;
    private static final int SHORT = 256;
    private static final Map<String, ZMQ.Socket> SOCKETS = new HashMap<>();
    private static final ZMQ.Context CONTEXT = ZMQ.context(1);

    public static void main(String[] arguments) throws Exception {
        System.out.println("ok JeroMQ");
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
        for (String line; (line = lines.readLine()) != null && !line.equals("exit"); ) {
            try {
                System.out.println(answer(line.split(" ")));
            } catch (Exception error) {
                System.out.println("error " + error);
            }
        }
        System.exit(0);
    }

    private static String answer(String[] words) throws Exception {
        if (words[0].equals("open")) {
            String name = Integer.toString(SOCKETS.size() + 1);
            ZMQ.Socket socket = CONTEXT.socket(ZMQ.class.getField(words[1]).getInt(null));
            socket.setLinger(0);
            SOCKETS.put(name, socket);
            return "ok " + name;
        }
        ZMQ.Socket socket = SOCKETS.get(words[1]);
        switch (words[0]) {
            case "bind":
                // The only way to learn which port it is.
                return "ok tcp://127.0.0.1:" + socket.bindToRandomPort("tcp://127.0.0.1");
            case "connect":
                socket.connect(words[2]);
                return "ok " + words[2];
            case "subscribe":
                socket.subscribe(bytes(words[2]));
                return "ok";
            case "unsubscribe":
                socket.unsubscribe(bytes(words[2]));
                return "ok";
            case "close":
                socket.close();
                return "ok";
            case "send":
                socket.setSendTimeOut(Integer.parseInt(words[2]));
                for (int at = 3; at < words.length; at++) {
                    if (!socket.send(bytes(words[at]), at + 1 < words.length ? ZMQ.SNDMORE : 0)) {
                        return "again";
                    }
                }
                return "ok";
            case "recv":
                return receive(socket, Integer.parseInt(words[2]));
            default:
                return "error no such request";
        }
    }

    private static String receive(ZMQ.Socket socket, int patience) {
        socket.setReceiveTimeOut(patience);
        StringBuilder answer = new StringBuilder("ok");
        do {
            byte[] part = socket.recv();
            if (part == null) {
                return "again";
            }
            answer.append(' ').append(seen(part));
        } while (socket.hasReceiveMore());
        return answer.toString();
    }

    private static byte[] bytes(String word) {
        if (word.charAt(0) == 'x') {
            return HexFormat.of().parseHex(word, 1, word.length());
        }
        int dot = word.indexOf('.');
        byte[] bytes = new byte[Integer.parseInt(word.substring(1, dot))];
        long pattern = new BigInteger(word.substring(dot + 1)).longValue() * GOLDEN + GOLDEN;
        for (int at = 0; at < bytes.length; at++) {
            if (at % 8 == 0) {
                pattern = (pattern ^ (pattern >>> 29)) * GOLDEN;
            }
            bytes[at] = (byte) (pattern >>> (at % 8 * 8));
        }
        return bytes;
    }

    private static String seen(byte[] part) {
        if (part.length <= SHORT) {
            return "x" + HexFormat.of().formatHex(part);
        }
        long hash = 0xcbf29ce484222325L;
        byte[] filled = Arrays.copyOf(part, part.length / 8 * 8 + 8);
        for (int at = 0; at < filled.length; at += 8) {
            long word = 0;
            for (int byteOf = 7; byteOf >= 0; byteOf--) {
                word = word << 8 | (filled[at + byteOf] & 0xff);
            }
            hash = mixed(hash, word);
        }
        return "h" + part.length + "." + Long.toUnsignedString(mixed(hash, part.length));
    }

    private static long mixed(long hash, long word) {
        return Long.rotateLeft((hash ^ word) * 0x100000001b3L, 23);
    }
}
