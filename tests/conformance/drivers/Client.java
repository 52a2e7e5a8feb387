import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.stream.Collectors;

/**
 * The JDK's own HTTP client and nothing else. Reads orders a line: `send|stream|leave URL KEY BODY`, parted by tabs;
 * answers `{"status", "type", "lines"}` a line. JSON is read and written by who gives the orders.
 */
public class Client {
    private static final HttpClient HTTP =
        HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).connectTimeout(Duration.ofSeconds(5)).build();

    public static void main(String[] arguments) throws Exception {
        var in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        var out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        for (String line; (line = in.readLine()) != null; ) {
            String[] order = line.split("\t", 4);
            var request = HttpRequest.newBuilder(URI.create(order[1]))
                .header("Authorization", "Bearer " + order[2])
                .header("Content-Type", "application/json")
                .timeout(Duration.ofSeconds(30))
                .POST(HttpRequest.BodyPublishers.ofString(order[3], StandardCharsets.UTF_8))
                .build();
            out.println(order[0].equals("leave") ? leave(request) : send(request));
        }
    }

    private static String send(HttpRequest request) throws Exception {
        HttpResponse<java.util.stream.Stream<String>> answer = HTTP.send(request, HttpResponse.BodyHandlers.ofLines());
        return told(answer, answer.body().collect(Collectors.toList()));
    }

    /** Reads three events of a stream and goes away. */
    private static String leave(HttpRequest request) throws Exception {
        HttpResponse<java.io.InputStream> answer = HTTP.send(request, HttpResponse.BodyHandlers.ofInputStream());
        var lines = new java.util.ArrayList<String>();
        try (var reader = new BufferedReader(new InputStreamReader(answer.body(), StandardCharsets.UTF_8))) {
            while (lines.size() < 6) {
                lines.add(reader.readLine());
            }
        }
        return told(answer, lines);
    }

    private static String told(HttpResponse<?> answer, List<String> lines) {
        String type = answer.headers().firstValue("content-type").orElse("");
        String listed = lines.stream().map(Client::quoted).collect(Collectors.joining(","));
        return "{\"status\":" + answer.statusCode() + ",\"type\":" + quoted(type) + ",\"lines\":[" + listed + "]}";
    }

    private static String quoted(String text) {
        var out = new StringBuilder("\"");
        for (char letter : text.toCharArray()) {
            if (letter == '"' || letter == '\\') {
                out.append('\\').append(letter);
            } else if (letter < ' ') {
                out.append(String.format("\\u%04x", (int) letter));
            } else {
                out.append(letter);
            }
        }
        return out.append('"').toString();
    }
}
