import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import software.amazon.event.ruler.Machine;

/**
 * Answers, line by line, what AWS's own event-ruler says of a pattern and an event: true, false or invalid.
 * A line is a JSON array of two strings, each the JSON text of one: their spelling (1.0, 3e2) reaches event-ruler as it is.
 */
public final class EventRulerCheck {
  private static final ObjectMapper JSON = new ObjectMapper();

  public static void main(String[] arguments) throws Exception {
    BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    PrintStream answers = new PrintStream(new FileOutputStream(FileDescriptor.out), false, "UTF-8");
    for (String line = lines.readLine(); line != null; line = lines.readLine()) {
      JsonNode pair = JSON.readTree(line);
      answers.println(answer(pair.get(0).asText(), pair.get(1).asText()));
    }
    answers.flush();
  }

  private static String answer(String pattern, String event) {
    // A field tested twice is refused, instead of the last one counting.
    Machine machine = Machine.builder().withOverridesForDuplicateRules(false).build();
    try {
      machine.addRule("rule", pattern);
    } catch (Exception refused) {
      return "invalid";
    }
    try {
      return String.valueOf(!machine.rulesForJSONEvent(event).isEmpty());
    } catch (Exception refused) {
      return "error: " + refused.getMessage().split("\n")[0];
    }
  }
}
