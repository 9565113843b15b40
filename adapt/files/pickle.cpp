#include "adapt/files/pickle.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <unordered_map>

#include "config/check.h"

namespace driftloop::adapt {

using Kind = PickleValue::Kind;

namespace {
constexpr std::size_t kMostValues = 1'000'000;  // some ten for each tensor, with an optimiser's state
constexpr std::size_t kMaxDims = 16;
}  // namespace

/// The stack machine of Python's pickle protocols 2 to 5 (pickletools documents the instructions).
class PickleMachine {
 public:
  PickleMachine(std::deque<PickleValue>& values, std::string_view& bytes) : values_(values), bytes_(bytes) {}

  const PickleValue* run() {
    while (true) {
      const auto op = static_cast<unsigned char>(take(1)[0]);
      if (op == '.') return pop();
      if (!constant(op) && !container(op) && !memory(op) && !call(op)) refuse(op);
    }
  }

 private:
  [[noreturn]] static void damaged(const char* why) {
    throw Error(std::string("its pickle is damaged: ") + why);
  }
  [[noreturn]] static void refuse(unsigned char op) {
    static constexpr char kHex[] = "0123456789abcdef";
    throw Error(std::string("its pickle holds the instruction 0x") + kHex[op >> 4] + kHex[op & 15] +
                ", which tensors and plain containers do not need");
  }

  std::string_view take(std::size_t count) {
    if (count > bytes_.size()) damaged("it ends too early");
    const auto taken = bytes_.substr(0, count);
    bytes_.remove_prefix(count);
    return taken;
  }
  std::string_view line() {
    const auto end = bytes_.find('\n');
    if (end == std::string_view::npos) damaged("it ends too early");
    const auto taken = take(end);
    take(1);
    return taken;
  }
  /// Little endian, unsigned.
  std::uint64_t number(std::size_t bytes) {
    std::uint64_t value = 0;
    const auto digits = take(bytes);
    for (std::size_t i = bytes; i-- > 0;) value = value << 8 | static_cast<unsigned char>(digits[i]);
    return value;
  }

  PickleValue& make(Kind kind) {
    if (values_.size() == kMostValues) throw Error("its pickle holds more values than any checkpoint");
    PickleValue& value = values_.emplace_back();
    value.kind = kind;
    return value;
  }
  void push(PickleValue& value) { stack_.push_back(&value); }
  PickleValue* pop() {
    if (stack_.size() <= (marks_.empty() ? 0 : marks_.back())) damaged("its stack is empty");
    PickleValue* value = stack_.back();
    stack_.pop_back();
    return value;
  }
  PickleValue& top() {
    if (stack_.size() <= (marks_.empty() ? 0 : marks_.back())) damaged("its stack is empty");
    return *stack_.back();
  }
  /// What lies above the last mark.
  std::vector<PickleValue*> pop_to_mark() {
    if (marks_.empty()) damaged("a mark is missing");
    const auto from = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
    marks_.pop_back();
    std::vector<PickleValue*> above(from, stack_.end());
    stack_.erase(from, stack_.end());
    return above;
  }
  PickleValue& of_kind(PickleValue& value, Kind kind, const char* what) {
    if (value.kind != kind) damaged(what);
    return value;
  }

  void integer(std::int64_t value, Kind kind = Kind::integer) {
    auto& made = make(kind);
    made.integer = value;
    push(made);
  }
  void text(std::size_t length) {
    auto& made = make(Kind::text);
    made.text = take(length);
    push(made);
  }
  void big_integer(std::size_t bytes) {
    if (bytes > 16) damaged("a number is too long");
    const auto digits = take(bytes);
    std::uint64_t value = !digits.empty() && (digits.back() & 0x80) ? ~std::uint64_t{0} : 0;
    for (std::size_t i = std::min<std::size_t>(bytes, 8); i-- > 0;)
      value = value << 8 | static_cast<unsigned char>(digits[i]);
    integer(static_cast<std::int64_t>(value));
  }

  bool constant(unsigned char op) {
    switch (op) {
      case 0x80:
        take(1);
        return true;  // PROTO
      case 0x95:
        take(8);
        return true;  // FRAME
      case 'N':
        push(make(Kind::none));
        return true;
      case 0x88:
        integer(1, Kind::boolean);
        return true;
      case 0x89:
        integer(0, Kind::boolean);
        return true;
      case 'K':
        integer(static_cast<std::int64_t>(number(1)));
        return true;
      case 'M':
        integer(static_cast<std::int64_t>(number(2)));
        return true;
      case 'J':
        integer(static_cast<std::int32_t>(number(4)));
        return true;
      case 0x8a:
        big_integer(number(1));
        return true;
      case 0x8b:
        big_integer(number(4));
        return true;
      case 'X':
      case 'T':
      case 'B':
        text(number(4));
        return true;
      case 'U':
      case 'C':
      case 0x8c:
        text(number(1));
        return true;
      case 'G': {
        std::uint64_t bits = 0;  // big endian
        for (const char byte : take(8)) bits = bits << 8 | static_cast<unsigned char>(byte);
        auto& made = make(Kind::real);
        made.real = std::bit_cast<double>(bits);
        push(made);
        return true;
      }
      default:
        return false;
    }
  }

  bool container(unsigned char op) {
    switch (op) {
      case '(':
        marks_.push_back(stack_.size());
        return true;
      case ']':
        push(make(Kind::list));
        return true;
      case '}':
        push(make(Kind::dict));
        return true;
      case ')':
        push(make(Kind::tuple));
        return true;
      case 't':
        tuple(pop_to_mark());
        return true;
      case 0x85:
      case 0x86:
      case 0x87: {
        std::vector<PickleValue*> parts(op - 0x84U);
        for (auto part = parts.rbegin(); part != parts.rend(); ++part) *part = pop();
        tuple(parts);
        return true;
      }
      case 'a':
        add(Kind::list, {pop()});
        return true;
      case 'e':
        add(Kind::list, pop_to_mark());
        return true;
      case 's': {
        auto* value = pop();
        auto* key = pop();
        add(Kind::dict, {key, value});
        return true;
      }
      case 'u': {
        const auto parts = pop_to_mark();
        if (parts.size() % 2 != 0) damaged("a key has no value");
        add(Kind::dict, parts);
        return true;
      }
      default:
        return false;
    }
  }
  void tuple(const std::vector<PickleValue*>& parts) {
    auto& made = make(Kind::tuple);
    made.items.assign(parts.begin(), parts.end());
    push(made);
  }
  void add(Kind kind, const std::vector<PickleValue*>& parts) {
    auto& to = of_kind(top(), kind, "something is added to what is no container");
    to.items.insert(to.items.end(), parts.begin(), parts.end());
  }

  bool memory(unsigned char op) {
    switch (op) {
      case 'q':
        keep(number(1));
        return true;
      case 'r':
        keep(number(4));
        return true;
      case 0x94:
        keep(memo_.size());
        return true;
      case 'h':
        recall(number(1));
        return true;
      case 'j':
        recall(number(4));
        return true;
      case '0':
        pop();
        return true;
      default:
        return false;
    }
  }
  void keep(std::uint64_t key) {
    if (memo_.size() == kMostValues) throw Error("its pickle holds more values than any checkpoint");
    memo_[key] = &top();
  }
  void recall(std::uint64_t key) {
    const auto found = memo_.find(key);
    if (found == memo_.end()) damaged("it refers to what it does not hold");
    push(*found->second);
  }

  bool call(unsigned char op) {
    switch (op) {
      case 'c': {
        auto& made = make(Kind::global);
        made.text = line();
        made.text += ' ';
        made.text += line();
        push(made);
        return true;
      }
      case 0x93: {
        auto* name = pop();
        auto* module = pop();
        auto& made = make(Kind::global);
        made.text = of_kind(*module, Kind::text, "a module has no name").text + ' ' +
                    of_kind(*name, Kind::text, "a function has no name").text;
        push(made);
        return true;
      }
      case 'Q':
        push(storage(*pop()));
        return true;
      case 'R':
      case 0x81: {
        auto* arguments = pop();
        auto* function = pop();
        push(result(of_kind(*function, Kind::global, "something is called that is no function").text,
                    of_kind(*arguments, Kind::tuple, "a call has no arguments")));
        return true;
      }
      case 'b':
        build();
        return true;
      default:
        return false;
    }
  }

  /// ('storage', type, key, location, elements[, view])
  PickleValue& storage(PickleValue& id) {
    of_kind(id, Kind::tuple, "a storage is not described");
    if (id.items.size() < 5 || id.items[0]->text != "storage" || id.items[1]->kind != Kind::global)
      damaged("a storage is not described");
    auto& made = make(Kind::storage);
    made.type = id.items[1];
    made.text = id.items[2]->kind == Kind::integer ? std::to_string(id.items[2]->integer) : id.items[2]->text;
    made.integer = id.items[4]->integer;
    if (id.items.size() > 5 && id.items[5]->kind == Kind::tuple && id.items[5]->items.size() == 3) {
      made.text = id.items[5]->items[0]->text;  // a view of a part of another storage
      made.offset = id.items[5]->items[1]->integer;
    }
    return made;
  }

  PickleValue& result(const std::string& function, PickleValue& arguments) {
    const auto& a = arguments.items;
    if (function == "collections OrderedDict") {
      if (!a.empty()) damaged("an OrderedDict is made of something");
      return make(Kind::dict);
    }
    if (function == "torch Size") {
      if (a.size() != 1 || a[0]->kind != Kind::tuple) damaged("a size is not described");
      return *const_cast<PickleValue*>(a[0]);
    }
    if (function == "torch._utils _rebuild_parameter" ||
        function == "torch._utils _rebuild_parameter_with_state") {
      if (a.empty() || a[0]->kind != Kind::tensor) damaged("a parameter is no tensor");
      return *const_cast<PickleValue*>(a[0]);  // one of values_
    }
    if (function == "torch._utils _rebuild_tensor_v2" || function == "torch._utils _rebuild_tensor") {
      if (a.size() < 4 || a[0]->kind != Kind::storage || a[1]->kind != Kind::integer)
        damaged("a tensor is not described");
      auto& made = make(Kind::tensor);
      made.storage = a[0];
      made.offset = a[1]->integer;
      made.size = integers(*a[2]);
      made.stride = integers(*a[3]);
      return made;
    }
    throw Error("its pickle would call '" + function +
                "'; only tensors in plain containers are read: save the state_dict() alone");
  }
  static std::vector<std::int64_t> integers(const PickleValue& tuple) {
    std::vector<std::int64_t> numbers;
    if (tuple.items.size() > kMaxDims) damaged("a tensor has too many dimensions");
    for (const auto* item : tuple.items) {
      if (item->kind != Kind::integer) damaged("a tensor is not described");
      numbers.push_back(item->integer);
    }
    return numbers;
  }

  /// The attributes of an OrderedDict (a module's _metadata) say nothing about tensors.
  void build() {
    pop();
    if (top().kind != Kind::dict && top().kind != Kind::tensor) damaged("attributes of what has none");
  }

  std::deque<PickleValue>& values_;
  std::string_view& bytes_;
  std::vector<PickleValue*> stack_;
  std::vector<std::size_t> marks_;
  std::unordered_map<std::uint64_t, PickleValue*> memo_;
};

Pickle::Pickle(std::string_view& bytes) {
  root_ = PickleMachine(values_, bytes).run();
}

}  // namespace driftloop::adapt
