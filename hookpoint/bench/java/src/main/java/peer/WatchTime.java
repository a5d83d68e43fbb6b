package peer;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import org.apache.kafka.streams.processor.PunctuationType;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;

/** One partition: from events to the sums of its viewers, in two state stores. */
final class WatchTime implements Processor<byte[], byte[], Void, Void> {
    static final String PLAYBACKS = "playbacks";
    static final String SUMS = "sums";
    private static final Duration FLUSH_EVERY = Duration.ofMillis(200);

    private final Catalogue catalogue;
    private final Profiles profiles;
    private final Map<String, Profiles.Sums> changed = new HashMap<>();
    private ProcessorContext<Void, Void> context;
    private KeyValueStore<String, byte[]> playbacks;
    private KeyValueStore<String, byte[]> sums;
    private long events;
    private long nextOffset;

    WatchTime(Catalogue catalogue, Profiles profiles) {
        this.catalogue = catalogue;
        this.profiles = profiles;
    }

    @Override
    public void init(ProcessorContext<Void, Void> context) {
        this.context = context;
        playbacks = context.getStateStore(PLAYBACKS);
        sums = context.getStateStore(SUMS);
        context.schedule(FLUSH_EVERY, PunctuationType.WALL_CLOCK_TIME, now -> flush());
    }

    @Override
    public void process(Record<byte[], byte[]> record) {
        context.recordMetadata().ifPresent(it -> nextOffset = it.offset() + 1);
        Event event;
        try {
            event = Event.parse(record.value());
        } catch (IOException problem) {
            throw new UncheckedIOException(problem);
        }
        if (event.playback == null) {
            return;
        }
        events++;
        Reports reports = new Reports(playbacks.get(event.playback));
        double gained = reports.add(event);
        if (reports.changed() != null) {
            playbacks.put(event.playback, reports.changed());
        }
        if (gained != 0) {
            credit(event, gained);
        }
    }

    private void credit(Event event, double gained) {
        Profiles.Sums viewer = changed.computeIfAbsent(event.viewer, it -> new Profiles.Sums());
        viewer.seconds = read(sums.get(event.viewer));
        viewer.seconds[0] += gained;
        viewer.changed |= 1;
        int[] genres = catalogue.genresOf(event.title);
        for (int genre : genres) {
            viewer.seconds[genre] += gained / genres.length;
            viewer.changed |= 1L << genre;
        }
        ByteBuffer stored = ByteBuffer.allocate(viewer.seconds.length * Double.BYTES);
        stored.asDoubleBuffer().put(viewer.seconds);
        sums.put(event.viewer, stored.array());
    }

    private double[] read(byte[] stored) {
        double[] seconds = new double[catalogue.fields.size()];
        if (stored != null) {
            ByteBuffer.wrap(stored).asDoubleBuffer().get(seconds);
        }
        return seconds;
    }

    /** Writes what changed; only then may Kafka hear how far this partition is. */
    private void flush() {
        if (events > 0) {
            profiles.write(changed, context.taskId().partition(), nextOffset, events);
            changed.clear();
            events = 0;
            context.commit();
        }
    }
}
