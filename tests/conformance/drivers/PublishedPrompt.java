import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.time.Duration;

/**
 * A published prompt in an application without our client: `java PublishedPrompt.java GATEWAY NAME@ALIAS USER VALUE`,
 * the key in GATEWAY_KEY. It loads the prompt for its user, looks whether it changed, fills the one variable `m` in, asks
 * the model with the tags that came with it, and rates the answer. The JDK's own HTTP client and nothing else.
 */
public class PublishedPrompt {
    private static final HttpClient HTTP =
        HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).connectTimeout(Duration.ofSeconds(5)).build();

    public static void main(String[] arguments) throws Exception {
        String gateway = arguments[0], reference = arguments[1], user = arguments[2], value = arguments[3];
        String hashed = sha256(user);  // the user's own name stays here
        String url = gateway + "/v1/prompts/" + reference + "?user_hash=" + hashed;
        HttpResponse<String> prompt = send(request(url));
        String body = prompt.body();
        tell("loaded", prompt.statusCode());
        tell("version", text(body, "version"));
        String tags = prompt.headers().firstValue("x-workbench-tags").orElse("");
        tell("tags", tags);
        if (body.contains("\"arm\":")) {
            tell("arm", text(body, "arm"));
            tell("chosen here", chosen(body.substring(body.indexOf("\"rollout\":{")), hashed));
        }
        String etag = prompt.headers().firstValue("etag").orElseThrow();
        tell("again", send(request(url).header("If-None-Match", etag)).statusCode());

        String messages = slice(body, "messages").replace("{{m}}", quoted(value));
        String call = "{\"model\":" + slice(slice(body, "parameters"), "model") + ",\"messages\":" + messages + "}";
        HttpResponse<String> answer =
            send(request(gateway + "/v1/chat/completions").header("x-workbench-tags", tags).POST(json(call)));
        tell("answered", answer.statusCode());
        tell("content", slice(slice(answer.body(), "message"), "content"));
        String id = answer.headers().firstValue("x-request-id").orElseThrow();
        tell("request", id);
        String word = "{\"request_id\":\"" + id + "\",\"value\":1,\"comment\":\"from Java\"}";
        tell("rated", send(request(gateway + "/v1/feedback").POST(json(word))).statusCode());
    }

    /** Which side of a rollout a user is on, as every client decides it. */
    private static String chosen(String rollout, String hashed) throws Exception {
        String unit = sha256(text(rollout, "id") + ":" + hashed).substring(0, 16);
        long bucket = Long.remainderUnsigned(Long.parseUnsignedLong(unit, 16), 10_000);
        boolean candidate = bucket < Math.round(Double.parseDouble(text(rollout, "weight")) * 100);
        return candidate ? text(rollout, "candidate_arm") : "production";
    }

    private static HttpRequest.Builder request(String url) {
        return HttpRequest.newBuilder(URI.create(url))
            .header("Authorization", "Bearer " + System.getenv("GATEWAY_KEY"))
            .header("Content-Type", "application/json")
            .timeout(Duration.ofSeconds(30));
    }

    private static HttpResponse<String> send(HttpRequest.Builder request) throws Exception {
        return HTTP.send(request.build(), HttpResponse.BodyHandlers.ofString(StandardCharsets.UTF_8));
    }

    private static HttpRequest.BodyPublisher json(String body) {
        return HttpRequest.BodyPublishers.ofString(body, StandardCharsets.UTF_8);
    }

    private static String sha256(String text) throws Exception {
        byte[] digest = MessageDigest.getInstance("SHA-256").digest(text.getBytes(StandardCharsets.UTF_8));
        var out = new StringBuilder();
        for (byte each : digest) {
            out.append(String.format("%02x", each));
        }
        return out.toString();
    }

    /** The JSON value of the first key of that name, as it stands there. */
    private static String slice(String json, String key) {
        int from = json.indexOf("\"" + key + "\":") + key.length() + 3;
        int depth = 0;
        boolean quoted = false;
        for (int at = from; at < json.length(); at++) {
            char letter = json.charAt(at);
            if (quoted) {
                if (letter == '\\') {
                    at++;
                } else if (letter == '"') {
                    quoted = false;
                }
            } else if (letter == '"') {
                quoted = true;
            } else if (letter == '{' || letter == '[') {
                depth++;
            } else if ((letter == '}' || letter == ']' || letter == ',') && depth == 0) {
                return json.substring(from, at);
            } else if (letter == '}' || letter == ']') {
                depth--;
            }
        }
        return json.substring(from);
    }

    private static String text(String json, String key) {
        return slice(json, key).replace("\"", "");
    }

    /** A text as it stands within a JSON string. */
    private static String quoted(String text) {
        var out = new StringBuilder();
        for (char letter : text.toCharArray()) {
            out.append(letter == '"' || letter == '\\' ? "\\" + letter
                : letter < ' ' ? String.format("\\u%04x", (int) letter) : String.valueOf(letter));
        }
        return out.toString();
    }

    private static void tell(String what, Object value) {
        System.out.println(what + "=" + value);
    }
}
