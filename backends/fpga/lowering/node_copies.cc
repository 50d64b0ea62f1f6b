// The operators of which nothing but the place of codes is left: concatenation and reshaping.
#include <utility>

#include "backends/fpga/lowering/node_lowering.h"
#include "base/status.h"

namespace msq::fpga {

absl::Status NodeLowering::LowerWhole(const ir::Concat& op) {
  return op.axis == 0 ? ConcatChannels() : LowerAllRows();
}

// Operands that were computed where the plan has them are not copied.
absl::Status NodeLowering::ConcatChannels() {
  MSQ_ASSIGN_OR_RETURN(const std::vector<Placed> parts, Operands());
  MSQ_ASSIGN_OR_RETURN(ImageLayout layout, OutLayout(LayoutsOf(parts)));
  MSQ_ASSIGN_OR_RETURN(GraphLowering::ConcatPlan plan, state_.PlanConcat(node_));
  bool fits = true;
  for (size_t i = 0; i < parts.size(); ++i) fits = fits && parts[i].layout.groups() <= plan.groups[i];
  LayerRecord record = NewRecord("Concat");
  std::unique_ptr<RowOperator> rows;
  if (fits) {
    plan.out.layout.slots.clear();
    for (size_t i = 0; i < parts.size(); ++i) {
      for (int64_t slot : parts[i].layout.slots) plan.out.layout.slots.push_back(plan.first[i] * kWordChannels + slot);
    }
    rows = MakeConcatChannelRows(plan.first, state_.builder());
  } else {
    // An operand with empty slots of its own needs more than its place.
    MSQ_ASSIGN_OR_RETURN(plan.out, state_.Take(std::move(layout)));
    rows = MakeRows(parts, plan.out.layout, plan.out.layout.height, &record);
  }
  MSQ_RETURN_IF_ERROR(rows->Emit(parts, plan.out, 0, plan.out.layout.height));
  rows->AddTo(&record);
  state_.Record(std::move(record));
  state_.Put(node_.output, std::move(plan.out));
  return absl::OkStatus();
}

absl::Status NodeLowering::LowerWhole(const ir::Reshape&) {
  const ir::TensorId id = node_.inputs[0];
  if (state_.IsUnseenInput(id)) {
    state_.RenameInput(id, node_.output);
    return absl::OkStatus();
  }
  const ir::Shape& to = OutType().shape;
  const ImageShape shape(to);
  if (InType().shape[0] == to[0] && state_.RenameSpilled(id, node_.output)) return absl::OkStatus();
  MSQ_ASSIGN_OR_RETURN(Placed placed, state_.Get(id));
  if (shape.channels == placed.layout.channels) {
    placed.layout.height = shape.height;
    placed.layout.width = shape.width;
  } else if (to.size() != 1) {
    return Unimplemented("reshape from ", ir::ToString(InType().shape), " to ", ir::ToString(to), " moves channels");
  }
  // A flattened image stays as it is: Dense reads it as a window, and the host counts its elements alike.
  state_.Put(node_.output, std::move(placed));
  return absl::OkStatus();
}

absl::Status NodeLowering::LowerWhole(const ir::Recurrent&) {
  return Unimplemented("recurrent layers");
}

}  // namespace msq::fpga
