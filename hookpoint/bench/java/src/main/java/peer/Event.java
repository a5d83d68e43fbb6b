package peer;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.time.LocalDate;
import java.time.OffsetDateTime;
import java.util.HashMap;
import java.util.Map;

/** What is needed of one event. A tick has neither subject nor playback. */
final class Event {
    private static final JsonFactory JSON = new JsonFactory();
    private static final Map<String, Long> DAYS = new HashMap<>();
    private static final int UTC_MILLIS = "2026-01-05T00:47:18.842Z".length();

    String viewer;
    String playback;
    String title;
    double atS;
    double positionS;
    double reachedS = Double.NaN;
    double rate = 1.0;
    long seq;

    static Event parse(byte[] value) throws IOException {
        Event event = new Event();
        try (JsonParser parser = JSON.createParser(value)) {
            parser.nextToken();
            for (String name = parser.nextFieldName(); name != null; name = parser.nextFieldName()) {
                JsonToken token = parser.nextToken();
                switch (name) {
                    case "subject" -> event.viewer = parser.getText();
                    case "time" -> event.atS = seconds(parser.getText());
                    case "data" -> event.parseData(parser);
                    default -> {
                        if (token.isStructStart()) {
                            parser.skipChildren();
                        }
                    }
                }
            }
        }
        if (Double.isNaN(event.reachedS)) {
            event.reachedS = event.positionS;
        }
        return event;
    }

    private void parseData(JsonParser parser) throws IOException {
        for (String name = parser.nextFieldName(); name != null; name = parser.nextFieldName()) {
            JsonToken token = parser.nextToken();
            switch (name) {
                case "playback_id" -> playback = parser.getText();
                case "title_id" -> title = parser.getText();
                case "position_s" -> positionS = parser.getDoubleValue();
                case "from_position_s" -> reachedS = parser.getDoubleValue();
                case "rate" -> rate = parser.getDoubleValue();
                case "seq" -> seq = parser.getLongValue();
                default -> {
                    if (token.isStructStart()) {
                        parser.skipChildren();
                    }
                }
            }
        }
    }

    /** Epoch seconds; the form that nearly every player sends is read digit by digit. */
    private static double seconds(String time) {
        if (time.length() != UTC_MILLIS || time.charAt(UTC_MILLIS - 1) != 'Z') {
            var at = OffsetDateTime.parse(time).toInstant();
            return at.getEpochSecond() + at.getNano() / 1e9;
        }
        long day = DAYS.computeIfAbsent(time.substring(0, 10), it -> LocalDate.parse(it).toEpochDay());
        long minutes = (day * 24 + digits(time, 11, 2)) * 60 + digits(time, 14, 2);
        return minutes * 60 + digits(time, 17, 2) + digits(time, 20, 3) / 1000.0;
    }

    private static int digits(String text, int from, int count) {
        int number = 0;
        for (int at = from; at < from + count; at++) {
            number = number * 10 + text.charAt(at) - '0';
        }
        return number;
    }
}
