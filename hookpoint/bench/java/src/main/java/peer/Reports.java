package peer;

import java.nio.ByteBuffer;

/**
 * The reports of one playback as they lie in the store, sorted by their place in the playback, and the
 * rule of hookpoint/bench/peers/watching.py.
 */
final class Reports {
    private static final double SLACK_S = 2.0;
    private static final int SEQ = 0;
    private static final int AT = 8;
    private static final int POSITION = 16;
    private static final int RATE = 24;
    private static final int REACHED = 32;
    private static final int SIZE = 40;

    private final ByteBuffer held;
    private final int count;
    private byte[] changed;

    Reports(byte[] stored) {
        held = ByteBuffer.wrap(stored == null ? new byte[0] : stored);
        count = held.capacity() / SIZE;
    }

    /** Adds a report. Returns by how many seconds watch time grows; 0 for one that is known. */
    double add(Event event) {
        int at = count;
        while (at > 0 && held.getLong((at - 1) * SIZE + SEQ) >= event.seq) {
            at--;
        }
        if (at < count && held.getLong(at * SIZE + SEQ) == event.seq) {
            return 0.0;
        }
        ByteBuffer all = ByteBuffer.allocate((count + 1) * SIZE);
        all.put(0, held, 0, at * SIZE);
        all.put((at + 1) * SIZE, held, at * SIZE, (count - at) * SIZE);
        put(all, at * SIZE, event);
        changed = all.array();
        double gained = at > 0 ? credit(all, at - 1, at) : 0.0;
        if (at < count) {
            gained += credit(all, at, at + 1);
            gained -= at > 0 ? credit(all, at - 1, at + 1) : 0.0;
        }
        return gained;
    }

    /** What is to be stored; null if nothing changed. */
    byte[] changed() {
        return changed;
    }

    private static void put(ByteBuffer all, int at, Event event) {
        all.putLong(at + SEQ, event.seq);
        all.putDouble(at + AT, event.atS);
        all.putDouble(at + POSITION, event.positionS);
        all.putDouble(at + RATE, event.rate);
        all.putDouble(at + REACHED, event.reachedS);
    }

    private static double credit(ByteBuffer all, int before, int after) {
        int from = before * SIZE;
        int to = after * SIZE;
        double passed = all.getDouble(to + AT) - all.getDouble(from + AT);
        double moved = all.getDouble(to + REACHED) - all.getDouble(from + POSITION);
        if (passed <= 0 || moved <= 0) {
            return 0.0;
        }
        double rate = all.getDouble(from + RATE);
        double spent = moved / rate;
        if (spent <= passed) {
            return spent;
        }
        return moved <= passed * rate + SLACK_S ? passed : 0.0;
    }
}
