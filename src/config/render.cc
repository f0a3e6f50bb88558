#include "config/render.h"

#include <algorithm>

#include <fmt/format.h>

#include "config/settings_table.h"

namespace ringmaster::config {

namespace {

// Lines of at most `width` bytes that begin with `indent`. Breaks at spaces only; a longer word stands alone.
std::string wrapped(std::string_view text, std::string_view indent, size_t width) {
  std::string out, line;
  while (!text.empty()) {
    const std::string_view word = text.substr(0, text.find(' '));
    text.remove_prefix(std::min(text.size(), word.size() + 1));
    if (!line.empty() && indent.size() + line.size() + 1 + word.size() > width) {
      out += fmt::format("{}{}\n", indent, line);
      line.clear();
    }
    line += fmt::format("{}{}", line.empty() ? "" : " ", word);
  }
  return line.empty() ? out : out + fmt::format("{}{}\n", indent, line);
}

std::string capitalised(std::string text) {
  if (text.front() >= 'a' && text.front() <= 'z') text.front() = static_cast<char>(text.front() - 'a' + 'A');
  return text;
}

std::string default_plain(const Shape& shape) {
  const std::string text = plain_text(shape, default_value(shape));
  return text.empty() ? "none" : text;
}

// What a value may be, as the beginning of a sentence; "" where the placeholder beside the flag says it already.
std::string bounds(const Shape& shape) {
  if (is_number(shape.kind)) return capitalised(allowed_text(shape));
  if (is_list(shape.kind) || shape.kind == Kind::text) return capitalised(std::string(shape.form));
  return "";
}

std::string allowed_sentence(const Shape& shape) {
  if (shape.kind == Kind::choice) return "One of " + allowed_text(shape) + ".";
  return capitalised(allowed_text(shape)) + ".";
}

std::string sentence(const std::string& text) { return text.empty() ? "" : text + "."; }

template <class Visit>
void each_of(const Section& section, Visit visit) {
  for (const Setting& row : settings_table()) {
    if (section_of(row.shape.key) == section.name) visit(row.shape);
  }
}

// --- roff ----------------------------------------------------------------------------------------------------------

// Text that must not be taken for a request or an escape. Hyphens are given as minus signs: what is printed can be
// copied into a file or a shell.
std::string roff(std::string_view text) {
  std::string out;
  if (text.starts_with('.') || text.starts_with('\'')) out = "\\&";
  for (const char c : text) {
    if (c == '\\') out += "\\e";
    else if (c == '-') out += "\\-";
    else out += c;
  }
  return out;
}

constexpr std::string_view roff_opening = R"(.SH NAME
ringmaster \- HTTP load balancer that hashes requests consistently and keeps its replicas alive
.SH SYNOPSIS
.B ringmaster run
.RB [ \-\-config
.IR FILE ]
.RB [ \-\-\fISETTING\fR
.IR VALUE " ...]"
.br
.B ringmaster check
.RB [ \-\-config
.IR FILE ]
.RB [ \-\-\fISETTING\fR
.IR VALUE " ...]"
.br
.B ringmaster
.BR \-\-help " | " \-\-version " | " \-\-manual " | " \-\-manual\-markdown " | " \-\-example
.SH DESCRIPTION
.B ringmaster run
serves until it gets SIGTERM or SIGINT: then it accepts no more, lets exchanges finish within
.BR timeouts.drain ,
and ends. A second signal ends it at once.
.PP
.B ringmaster check
reads the settings as run would, tries io_uring, prints
.B ok
and the settings that are not at their default.
.PP
Settings come from one TOML file, named by
.BR \-\-config ,
and from flags, which override it. No file is read unless it is named. A file or a flag that is wrong is refused with
everything that is wrong in it.
)";

constexpr std::string_view roff_closing = R"(.SH EXIT STATUS
.TP
.B 0
All is well.
.TP
.B 64
The command line is wrong.
.TP
.B 70
A mistake of ringmaster's own.
.TP
.B 78
The configuration is wrong, or the kernel refuses io_uring; the message says which, and the remedy.
.SH ENVIRONMENT
.TP
.BR LISTEN_FDS ", " LISTEN_PID ", " LISTEN_FDNAMES
Listening sockets passed by
.BR systemd.socket (5).
.SH SEE ALSO
.BR io_uring (7),
.BR systemd.socket (5)
)";

std::string roff_setting(const Shape& shape) {
  std::string out = fmt::format(".TP\n.BI {} \" {}\"\n{}\n", roff("--" + std::string(shape.key)),
                                roff(placeholder_of(shape)), roff(shape.text));
  if (const std::string more = sentence(bounds(shape)); !more.empty()) out += roff(more) + "\n";
  return out + roff("Default: " + default_plain(shape) + ".") + "\n";
}

// --- markdown ------------------------------------------------------------------------------------------------------

std::string cell(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '|') out += '\\';
    out += c;
  }
  return out;
}

std::string markdown_row(std::string_view name, const Shape& shape, std::string_view standard) {
  const bool listed = shape.kind == Kind::choice || shape.kind == Kind::boolean;
  const std::string more = listed ? allowed_sentence(shape) : sentence(bounds(shape));
  return fmt::format("| `{}` | {} | {} |\n", name, standard.empty() ? "" : fmt::format("`{}`", cell(standard)),
                     cell(fmt::format("{}{}{}", shape.text, more.empty() ? "" : " ", more)));
}

// --- the example ---------------------------------------------------------------------------------------------------

std::string example_setting(const Shape& shape) {
  std::string comment(shape.text);
  if (shape.kind != Kind::boolean && shape.kind != Kind::replicas) comment += " " + allowed_sentence(shape);
  if (shape.kind != Kind::replicas) {
    return fmt::format("\n{}{} = {}\n", wrapped(comment, "# ", 100), last_part(shape.key),
                       toml_text(shape, default_value(shape)));
  }
  const StaticReplica replica{"r1", "127.0.0.1:9001", 1};
  std::string out = fmt::format("\n{}#\n# [[{}]]\n", wrapped(comment, "# ", 100), shape.key);
  for (const ReplicaColumn& column : replica_columns()) {
    out += fmt::format("# {} = {}   # {}\n", column.shape.key,
                       toml_text(column.shape, column.get(column.shape, replica)), allowed_text(column.shape));
  }
  return out;
}

}  // namespace

std::string help_settings() {
  constexpr size_t width = 100;
  std::string out;
  for (const Section& section : sections()) {
    out += fmt::format("\n[{}]\n{}", section.name, wrapped(section.text, "  ", width));
    each_of(section, [&](const Shape& shape) {
      // More choices than a line holds are said in the text.
      std::string flag = fmt::format("  --{} {}\n", shape.key, placeholder_of(shape));
      std::string more = sentence(bounds(shape));
      if (flag.size() > width) {
        flag = fmt::format("  --{} NAME\n", shape.key);
        more = allowed_sentence(shape);
      }
      out += flag;
      out +=
          wrapped(fmt::format("{}{}{} Default: {}.", shape.text, more.empty() ? "" : " ", more, default_plain(shape)),
                  "      ", width);
    });
  }
  return out;
}

std::string manual_roff(std::string_view version) {
  std::string out = fmt::format(".TH RINGMASTER 1 \"\" \"ringmaster {}\" \"User Commands\"\n", roff(version));
  out += roff_opening;
  out += ".SH SETTINGS\n";
  out += roff(
      "Each is a flag, and a key of the file: --timeouts.connect is connect in the section [timeouts]. Lists are "
      "arrays in the file; their flags are given once for each item and replace the file's list, and an empty "
      "value empties it.");
  out += "\n";
  for (const Section& section : sections()) {
    out += fmt::format(".SS [{}]\n{}\n", section.name, roff(section.text));
    each_of(section, [&](const Shape& shape) { out += roff_setting(shape); });
  }
  return out.append(roff_closing);
}

std::string manual_markdown() {
  std::string out =
      "# Settings\n\n"
      "Made from the settings table by `ringmaster --manual-markdown`; edit the table, not this page.\n\n"
      "A setting is a key of the TOML file that `--config` names, and a flag that overrides it: `connect` in\n"
      "`[timeouts]` is `--timeouts.connect`. The flags of lists are given once for each item, replace the file's\n"
      "list, and with an empty value empty it. A wrong file is refused whole. `ringmaster.toml` is an example with\n"
      "every setting.\n";
  for (const Section& section : sections()) {
    out +=
        fmt::format("\n## [{}]\n\n{}\n\n| setting | default | meaning |\n|---|---|---|\n", section.name, section.text);
    each_of(section, [&](const Shape& shape) {
      out += markdown_row(last_part(shape.key), shape, toml_text(shape, default_value(shape)));
      if (shape.kind != Kind::replicas) return;
      for (const ReplicaColumn& column : replica_columns()) {
        out += markdown_row(fmt::format("{}.{}", last_part(shape.key), column.shape.key), column.shape,
                            column.shape.default_text);
      }
    });
  }
  return out;
}

std::string example_toml() {
  std::string out =
      "# ringmaster.toml: every setting, at its default. Made from the settings table by ringmaster --example;\n"
      "# keep the lines that you change. Each is also a flag: connect in [timeouts] is --timeouts.connect.\n";
  for (const Section& section : sections()) {
    out += fmt::format("\n{}[{}]\n", wrapped(section.text, "# ", 100), section.name);
    each_of(section, [&](const Shape& shape) { out += example_setting(shape); });
  }
  return out;
}

std::vector<Shown> in_force(const Loaded& loaded) {
  std::vector<Shown> out;
  const auto table = settings_table();
  for (size_t i = 0; i < table.size(); ++i) {
    const Shape& shape = table[i].shape;
    out.push_back({std::string(shape.key), plain_text(shape, table[i].get(shape, loaded.settings)),
                   std::string(unit_of(shape)),
                   name_of(i < loaded.sources.size() ? loaded.sources[i] : Source::standard),
                   plain_text(shape, default_value(shape))});
  }
  return out;
}

std::string differences(const Loaded& loaded) {
  std::string out;
  const auto table = settings_table();
  for (size_t i = 0; i < table.size(); ++i) {
    const Shape& shape = table[i].shape;
    const Value value = table[i].get(shape, loaded.settings);
    const Value standard = default_value(shape);
    if (value == standard) continue;
    out += fmt::format("{} = {}   # from the {}; default {}\n", shape.key, toml_text(shape, value),
                       name_of(i < loaded.sources.size() ? loaded.sources[i] : Source::standard),
                       toml_text(shape, standard));
  }
  return out;
}

}  // namespace ringmaster::config
