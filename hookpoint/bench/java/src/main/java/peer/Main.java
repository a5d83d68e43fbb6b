package peer;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.file.Files;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.state.StoreBuilder;
import org.apache.kafka.streams.state.Stores;
import redis.clients.jedis.Jedis;

/**
 * Kafka Streams, stateful: in-memory stores without a changelog, one thread, large fetches, Redis in
 * pipelines. Its only argument is the job as JSON (hookpoint/bench/peers/job.py).
 */
public final class Main {
    private static final long PARENT_EVERY_MS = 1000;

    private Main() {}

    public static void main(String[] arguments) throws Exception {
        JsonNode job = new ObjectMapper().readTree(arguments[0]);
        Catalogue catalogue = new Catalogue(job.get("catalogue").asText());
        Jedis redis = new Jedis(System.getenv("PEER_REDIS_URL"));
        Profiles profiles = new Profiles(redis, job.get("prefix").asText(), catalogue);
        KafkaStreams streams = new KafkaStreams(topology(job, catalogue, profiles), settings(job));
        streams.setUncaughtExceptionHandler(problem -> {
            problem.printStackTrace();
            Runtime.getRuntime().halt(1);
            return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
        });
        streams.start();
        endWithParent();
    }

    private static Topology topology(JsonNode job, Catalogue catalogue, Profiles profiles) {
        var bytes = Serdes.ByteArray().deserializer();
        return new Topology()
                .addSource("events", bytes, bytes, job.get("topic").asText())
                .addProcessor("watch", () -> new WatchTime(catalogue, profiles), "events")
                .addStateStore(store(WatchTime.PLAYBACKS), "watch")
                .addStateStore(store(WatchTime.SUMS), "watch");
    }

    private static StoreBuilder<?> store(String name) {
        var held = Stores.inMemoryKeyValueStore(name);
        return Stores.keyValueStoreBuilder(held, Serdes.String(), Serdes.ByteArray())
                .withLoggingDisabled()
                .withCachingDisabled();
    }

    private static Properties settings(JsonNode job) throws Exception {
        int sessionMs = (int) (job.get("session_timeout_s").asDouble() * 1000);
        Properties settings = new Properties();
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, job.get("group").asText());
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, job.get("broker").asText());
        settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 1);
        // The processor asks for a commit after each of its writes to Redis, and not before.
        settings.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 3_600_000);
        settings.put(StreamsConfig.STATE_DIR_CONFIG, Files.createTempDirectory("hookpoint-streams").toString());
        settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");
        settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.SESSION_TIMEOUT_MS_CONFIG), sessionMs);
        settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.HEARTBEAT_INTERVAL_MS_CONFIG), sessionMs / 4);
        settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.MAX_POLL_RECORDS_CONFIG), job.get("batch").asInt());
        settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.FETCH_MIN_BYTES_CONFIG), 65_536);
        settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.FETCH_MAX_WAIT_MS_CONFIG), 50);
        return settings;
    }

    /** A bench that was killed must not leave it behind. */
    private static void endWithParent() throws InterruptedException {
        ProcessHandle parent = ProcessHandle.current().parent().orElse(null);
        while (parent != null && parent.isAlive()) {
            Thread.sleep(PARENT_EVERY_MS);
        }
        Runtime.getRuntime().halt(1);
    }
}
