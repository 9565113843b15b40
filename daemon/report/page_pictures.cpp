#include "config/label_space.h"
#include "daemon/report/format.h"
#include "daemon/report/page_parts.h"

namespace driftloop::daemon {
namespace {

std::string legend(const Report& report) {
  std::string out = "<ul class=\"legend\">";
  for (const ClassView& view : class_views(report))
    if (!view.colour.empty()) out += "<li>" + swatch(view.colour) + escape_html(view.name) + "</li>";
  return out + "<li>" + swatch("#000000") + "ignored</li></ul>\n";
}

std::string panel_html(const Picture& picture, const Panel& panel) {
  const std::string type = panel.suffix == ".png" ? "image/png" : "image/jpeg";
  return "<div class=\"panel\"><img alt=\"" + escape_html(panel.name + ", " + picture.title) +
         "\" src=\"data:" + type + ";base64," + base64(panel.bytes) + "\"><span>" + escape_html(panel.name) +
         "</span></div>";
}

std::string row_html(const Picture& picture) {
  std::string out = "<figure class=\"row\"><h3>" + escape_html(picture.title) + "</h3><div class=\"panels\">";
  for (const Panel& panel : picture.panels) out += panel_html(picture, panel);
  out += "</div>";
  if (!picture.caption.empty()) out += "<figcaption>" + escape_html(picture.caption) + "</figcaption>";
  return out + "</figure>\n";
}

}  // namespace

std::string pictures_section(const Report& report, std::size_t budget_bytes) {
  if (report.pictures.empty()) return {};
  std::string rows;
  std::size_t shown = 0;
  for (const Picture& picture : report.pictures) {
    const std::string row = row_html(picture);
    if (rows.size() + row.size() > budget_bytes) break;
    rows += row;
    ++shown;
  }
  std::string out =
      "<section id=\"pictures\"><h2>What the net saw, asked and learned</h2>\n" + legend(report) + rows;
  if (shown < report.pictures.size())
    out += "<p class=\"note\">" + std::to_string(report.pictures.size() - shown) +
           " more rows lie in the folder <code>pictures/</code> beside this page.</p>\n";
  return out + "</section>\n";
}

}  // namespace driftloop::daemon
