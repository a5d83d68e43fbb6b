package peer;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.File;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** Reference data: the genres of each title, by number; number 0 is watch time itself. */
final class Catalogue {
    final List<String> fields = new ArrayList<>(List.of("watched_s"));
    private final Map<String, int[]> genres = new HashMap<>();

    Catalogue(String file) throws IOException {
        var titles = new ObjectMapper().readTree(new File(file)).fields();
        while (titles.hasNext()) {
            var title = titles.next();
            int[] numbers = new int[title.getValue().size()];
            for (int at = 0; at < numbers.length; at++) {
                numbers[at] = number("genre:" + title.getValue().get(at).asText());
            }
            genres.put(title.getKey(), numbers);
        }
    }

    int[] genresOf(String title) {
        return genres.getOrDefault(title, new int[0]);
    }

    private int number(String field) {
        int known = fields.indexOf(field);
        if (known >= 0) {
            return known;
        }
        fields.add(field);
        return fields.size() - 1;
    }
}
