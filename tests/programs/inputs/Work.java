// SPDX-License-Identifier: MIT
// Trees, maps, threads, compression and memory outside of Java's heap.
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeMap;
import java.util.stream.IntStream;
import java.util.zip.CRC32;
import java.util.zip.Deflater;

public class Work {
    private static final class Node {
        final Node left, right;

        Node(int depth) {
            left = depth == 0 ? null : new Node(depth - 1);
            right = depth == 0 ? null : new Node(depth - 1);
        }

        int size() {
            return left == null ? 1 : 1 + left.size() + right.size();
        }
    }

    private static long pack(int n) {
        byte[] data = new byte[20000];
        for (int i = 0; i < data.length; i++) {
            data[i] = (byte) (i * n >> 3);
        }
        Deflater deflater = new Deflater();
        deflater.setInput(data);
        deflater.finish();
        byte[] packed = new byte[40000];
        int size = deflater.deflate(packed);
        deflater.end();
        CRC32 sum = new CRC32();
        sum.update(packed, 0, size);
        ByteBuffer direct = ByteBuffer.allocateDirect(5000 + n);
        direct.putInt(n, n);
        return sum.getValue() + direct.getInt(n);
    }

    public static void main(String[] arguments) throws Exception {
        long total = 0;
        for (int i = 0; i < 30; i++) {
            total += new Node(13).size();
        }
        System.out.println("trees " + total);
        TreeMap<String, Integer> words = new TreeMap<>();
        for (int i = 0; i < 40000; i++) {
            words.merge("w" + i * 7919 % 5003, i, Integer::sum);
        }
        System.out.println("words " + words.size() + " " + words.firstEntry());
        System.out.println("packed " + IntStream.range(1, 200).parallel().mapToLong(Work::pack).sum());
        List<Thread> threads = new ArrayList<>();
        long[] sums = new long[40];
        for (int i = 0; i < sums.length; i++) {
            int n = i;
            threads.add(new Thread(() -> sums[n] = new Node(8).size() + pack(n + 1)));
            threads.get(i).start();
        }
        for (Thread thread : threads) {
            thread.join();
        }
        System.out.println("threads " + java.util.Arrays.stream(sums).sum());
    }
}
