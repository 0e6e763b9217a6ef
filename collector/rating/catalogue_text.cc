// The catalogue that was compiled in. Apart from catalogue.cc, so that what builds a catalogue otherwise does without
// YAML.
#include "collector/rating/catalogue.h"
#include "common/config_loader.h"
#include "common/status.h"

extern const char kCatalogueYaml[];

namespace ppmm {

absl::string_view CatalogueYaml() {
  return kCatalogueYaml;
}

absl::StatusOr<catalogue::Catalogue> ReadCatalogue() {
  catalogue::Catalogue schema;
  ConfigReport report("catalogue.yaml");
  RETURN_IF_ERROR(LoadYaml("catalogue.yaml", CatalogueYaml(), &schema, &report));
  // The loader makes every message in order to set its defaults; an act that nobody wrote is none.
  for (catalogue::Activity& activity : *schema.mutable_activities()) {
    for (catalogue::Criterion& criterion : *activity.mutable_criteria()) {
      if (criterion.act().what().empty()) {
        criterion.clear_act();
      }
    }
  }
  return schema;
}

absl::StatusOr<Catalogue> LoadCatalogue() {
  ASSIGN_OR_RETURN(const catalogue::Catalogue schema, ReadCatalogue());
  return Catalogue::From(schema);
}

}  // namespace ppmm
