package peer;

import java.util.HashMap;
import java.util.Map;
import redis.clients.jedis.Jedis;

/** What is written to Redis: one pipeline per partition and flush, the changed fields only. */
final class Profiles {
    private final Jedis redis;
    private final String prefix;
    private final Catalogue catalogue;
    private long events;

    /** Sums of one viewer, and which of them have changed since they were written. */
    static final class Sums {
        double[] seconds;
        long changed;
    }

    Profiles(Jedis redis, String prefix, Catalogue catalogue) {
        this.redis = redis;
        this.prefix = prefix;
        this.catalogue = catalogue;
    }

    void write(Map<String, Sums> changed, int partition, long nextOffset, long more) {
        events += more;
        try (var pipeline = redis.pipelined()) {
            for (var entry : changed.entrySet()) {
                pipeline.hset(prefix + "peer:{" + entry.getKey() + "}", fields(entry.getValue()));
            }
            pipeline.hset(
                    prefix + "peer:absorbed",
                    Map.of("events", Long.toString(events), Integer.toString(partition), Long.toString(nextOffset)));
        }
    }

    private Map<String, String> fields(Sums sums) {
        Map<String, String> fields = new HashMap<>();
        for (int number = 0; number < sums.seconds.length; number++) {
            if ((sums.changed >> number & 1) != 0) {
                fields.put(catalogue.fields.get(number), Double.toString(sums.seconds[number]));
            }
        }
        return fields;
    }
}
