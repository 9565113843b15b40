#include "config/redact.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>
#include <vector>

namespace driftloop::config {
namespace {

constexpr std::string_view kMask = "***";
// Shorter ones are not looked for on their own: they would be found inside ordinary words.
constexpr std::size_t kLeastAlone = 3;

// Of GStreamer's elements (rtspsrc, souphttpsrc, srtsrc), and of cameras that take them in the address.
constexpr std::array<std::string_view, 16> kSecretKeys{
    "user",   "username", "user-id", "user_id", "user-pw", "user_pw",    "proxy-id", "proxy-pw",
    "passwd", "password", "pass",    "pwd",     "token",   "passphrase", "secret",   "auth",
};

bool is_space(char c) {
  return std::isspace(static_cast<unsigned char>(c)) != 0;
}
bool is_word(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0;
}
bool is_quote(char c) {
  return c == '"' || c == '\'' || c == '`';
}
char lower(char c) {
  return static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
}

struct Span {
  std::size_t begin, end;
};

/// From `begin` to the end of the word: the closing quote where it was opened with one, else white space. A
/// backslash takes the next character's meaning away.
std::size_t end_of_word(std::string_view text, std::size_t begin, char quote) {
  std::size_t at = begin;
  for (; at < text.size(); ++at) {
    if (text[at] == '\\' && at + 1 < text.size())
      ++at;
    else if (quote ? text[at] == quote : is_space(text[at]))
      break;
  }
  return std::min(at, text.size());
}

/// What stands before the last '@' of each address. An address without an authority (file:///...) has none.
void find_user_parts(std::string_view text, std::vector<Span>& found) {
  constexpr std::string_view kMark = "://";
  for (auto mark = text.find(kMark); mark != text.npos; mark = text.find(kMark, mark + 1)) {
    std::size_t scheme = mark;
    while (scheme > 0 && (is_word(text[scheme - 1]) || text[scheme - 1] == '+' || text[scheme - 1] == '-'))
      --scheme;
    const std::size_t begin = mark + kMark.size();
    if (scheme == mark || begin >= text.size() || text[begin] == '/') continue;
    const char before = scheme > 0 ? text[scheme - 1] : ' ';
    const std::size_t end = end_of_word(text, begin, is_quote(before) ? before : '\0');
    const auto at = text.substr(begin, end - begin).rfind('@');
    if (at != text.npos && at > 0) found.push_back({begin, begin + at});
  }
}

/// user:password@ without a proper scheme in front of it, as in a mistyped address.
void find_bare_users(std::string_view text, std::vector<Span>& found) {
  for (auto at = text.find('@'); at != text.npos; at = text.find('@', at + 1)) {
    std::size_t colon = at;
    while (colon > 0 && text[colon] != ':' && !is_space(text[colon]) && !is_quote(text[colon])) --colon;
    if (text[colon] != ':' || colon + 1 >= at || text[colon + 1] == '/') continue;
    std::size_t begin = colon;
    while (begin > 0 &&
           (is_word(text[begin - 1]) || std::string_view("._%+-").find(text[begin - 1]) != text.npos))
      --begin;
    if (begin < colon) found.push_back({begin, at});
  }
}

/// The values of key=value, key="value" and key=(string)value.
void find_values(std::string_view text, std::vector<Span>& found) {
  for (auto equals = text.find('='); equals != text.npos; equals = text.find('=', equals + 1)) {
    std::size_t key_end = equals;
    while (key_end > 0 && is_space(text[key_end - 1])) --key_end;
    const bool secret = std::any_of(kSecretKeys.begin(), kSecretKeys.end(), [&](std::string_view key) {
      if (key_end < key.size()) return false;
      const std::size_t key_begin = key_end - key.size();
      if (key_begin > 0 && is_word(text[key_begin - 1])) return false;
      return std::equal(key.begin(), key.end(), text.begin() + static_cast<std::ptrdiff_t>(key_begin),
                        [](char a, char b) { return a == lower(b); });
    });
    if (!secret) continue;
    std::size_t begin = equals + 1;
    while (begin < text.size() && is_space(text[begin])) ++begin;
    if (begin < text.size() && text[begin] == '(') {
      const auto close = text.find(')', begin);
      if (close != text.npos) begin = close + 1;
    }
    // In a text that is itself quoted (YAML, JSON) the quotes have their backslashes.
    const bool escaped = begin + 1 < text.size() && text[begin] == '\\' && is_quote(text[begin + 1]);
    if (escaped) {
      const std::string closing{text.substr(begin, 2)};
      const auto close = text.find(closing, begin + 2);
      found.push_back({begin + 2, close == text.npos ? text.size() : close});
      continue;
    }
    const bool in_quotes = begin < text.size() && is_quote(text[begin]);
    const char quote = in_quotes ? text[begin] : '\0';
    begin += in_quotes;
    std::size_t end = end_of_word(text, begin, quote);
    if (!in_quotes) {
      // In a query the next parameter follows; in a quoted address the quote ends it.
      const auto stop = text.substr(begin, end - begin).find_first_of("&\"'`");
      if (stop != text.npos) end = begin + stop;
    }
    if (end > begin) found.push_back({begin, end});
  }
}

std::vector<Span> secrets_of(std::string_view text) {
  std::vector<Span> found;
  find_user_parts(text, found);
  find_bare_users(text, found);
  find_values(text, found);
  std::sort(found.begin(), found.end(), [](Span a, Span b) { return a.begin < b.begin; });
  std::vector<Span> joined;
  for (const Span span : found) {
    if (!joined.empty() && span.begin <= joined.back().end)
      joined.back().end = std::max(joined.back().end, span.end);
    else
      joined.push_back(span);
  }
  return joined;
}

std::string percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool coded = text[i] == '%' && i + 2 < text.size() &&
                       std::isxdigit(static_cast<unsigned char>(text[i + 1])) &&
                       std::isxdigit(static_cast<unsigned char>(text[i + 2]));
    out += coded ? static_cast<char>(std::stoi(std::string(text.substr(i + 1, 2)), nullptr, 16)) : text[i];
    if (coded) i += 2;
  }
  return out;
}

std::string unescaped(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size()) ++i;
    out += text[i];
  }
  return out;
}

void replace_all(std::string& text, const std::string& secret) {
  if (secret.size() < kLeastAlone || secret == kMask) return;
  for (auto at = text.find(secret); at != text.npos; at = text.find(secret, at + kMask.size()))
    text.replace(at, secret.size(), kMask);
}

}  // namespace

std::string without_secrets(std::string text) {
  const auto found = secrets_of(text);
  for (auto it = found.rbegin(); it != found.rend(); ++it)
    text.replace(it->begin, it->end - it->begin, kMask);
  return text;
}

std::string without_secrets(std::string text, const std::string& source) {
  std::vector<std::string> secrets;
  for (const Span span : secrets_of(source)) {
    const std::string whole = source.substr(span.begin, span.end - span.begin);
    std::vector<std::string> parts{whole};
    // A user's name alone is no secret: "admin" would be cut out of half of all messages.
    if (const auto colon = whole.find(':'); colon != whole.npos) parts.push_back(whole.substr(colon + 1));
    for (const std::string& part : parts)
      for (const std::string& form : {part, percent_decoded(part), unescaped(part)}) secrets.push_back(form);
  }
  std::sort(secrets.begin(), secrets.end(),
            [](const std::string& a, const std::string& b) { return a.size() > b.size(); });
  for (const std::string& secret : secrets) replace_all(text, secret);
  return without_secrets(std::move(text));
}

}  // namespace driftloop::config
