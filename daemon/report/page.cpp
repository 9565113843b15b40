#include "daemon/report/page.h"

#include <kainjow/mustache.hpp>

#include "config/check.h"
#include "daemon/report/assets.h"
#include "daemon/report/format.h"
#include "daemon/report/page_view.h"

namespace driftloop::daemon {
namespace {
using kainjow::mustache::data;
using kainjow::mustache::partial;
using nlohmann::json;

constexpr std::size_t kPageBytes = 4'000'000;
constexpr std::size_t kPanelBytes = 300;  // what the template adds to a panel, more than it does

/// For the template's sections "" and an empty list are false.
data to_data(const json& value) {
  if (value.is_object()) {
    data out(data::type::object);
    for (const auto& [key, held] : value.items()) out[key] = to_data(held);
    return out;
  }
  if (value.is_array()) {
    data out(data::type::list);
    for (const json& held : value) out << to_data(held);
    return out;
  }
  if (value.is_boolean()) return data(value.get<bool>());
  const auto text = value.get<std::string>();
  return text.empty() ? data(false) : data(text);
}

std::string render(const json& view) {
  data all = to_data(view);
  all["css"] = data(std::string(assets::page_css()));
  all["js"] = data(std::string(assets::page_js()));
  // Of other names than any value has: a value would hide them.
  for (const auto& [name, text] : {std::pair{"a_table", assets::table_mustache()},
                                   {"the_panels", assets::panels_mustache()},
                                   {"a_legend", assets::legend_mustache()}})
    all[name] = data(partial([text] { return std::string(text); }));
  kainjow::mustache::mustache page{std::string(assets::page_mustache())};
  DL_CHECK(page.is_valid(), page.error_message());
  page.set_custom_escape(escape_html);
  std::string html = page.render(all);
  DL_CHECK(page.is_valid(), page.error_message());
  return html;
}

}  // namespace

std::string render_page(const Report& report) {
  json view = page_view(report);
  view["lesson"] = "";
  view["has_pictures"] = !report.pictures.empty();
  view["pictures"] = json::array();
  view["left_out"] = "";
  std::size_t bytes = render(view).size();
  std::size_t shown = 0;
  for (const Picture& picture : report.pictures) {
    json one = picture_view(picture);
    bytes +=
        one.dump(-1, ' ', true, json::error_handler_t::replace).size() + kPanelBytes * picture.panels.size();
    if (bytes > kPageBytes) break;
    if (shown++ == 0)
      view["lesson"] = std::move(one);
    else
      view["pictures"].push_back(std::move(one));
  }
  view["has_pictures"] = report.pictures.size() > 1;
  if (shown < report.pictures.size()) view["left_out"] = std::to_string(report.pictures.size() - shown);
  return render(view);
}

}  // namespace driftloop::daemon
