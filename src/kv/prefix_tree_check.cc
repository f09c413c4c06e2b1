// The invariants of PrefixTree, for tests.
#include "kv/prefix_tree.h"

namespace invar {

void PrefixTree::check() const {
  int64_t nodes = 0, full_nodes = 0, leaves = 0;
  for (int32_t page = 0; page < root(); ++page) {
    const Node& node = nodes_[page];
    if (!in_tree(page)) {
      INVAR_CHECK(node.first_child < 0 && !leaves_.contains(page), "page {} is not in the tree", page);
      continue;
    }
    check_node(page);
    ++nodes;
    full_nodes += full(page);
    leaves += node.first_child < 0;
  }
  INVAR_CHECK(nodes == nodes_count_, "{} nodes, counted {}", nodes, nodes_count_);
  INVAR_CHECK(full_nodes == index_.size(), "{} full nodes, {} in the index", full_nodes, index_.size());
  INVAR_CHECK(leaves == leaves_.size(), "{} leaves, {} in the heap", leaves, leaves_.size());
  leaves_.check();
  // Each node is the child of its parent, once: what the root reaches is all nodes.
  int64_t reached = 0;
  for (int32_t page = 0; page <= root(); ++page) {
    int32_t previous = -1;
    for (int32_t child = nodes_[page].first_child; child >= 0; previous = child, child = nodes_[child].next) {
      INVAR_CHECK(nodes_[child].parent == page && nodes_[child].previous == previous, "child {} of {}", child,
                  page);
      INVAR_CHECK(++reached <= nodes, "the children of {} do not end", page);
    }
  }
  INVAR_CHECK(reached == nodes, "{} children of {} nodes", reached, nodes);
}

void PrefixTree::check_node(int32_t page) const {
  const Node& node = nodes_[page];
  const bool leaf = node.first_child < 0;
  INVAR_CHECK(node.count <= page_size_, "page {} holds {} tokens", page, node.count);
  INVAR_CHECK(pool_.references(page) >= 1, "page {} is free", page);
  INVAR_CHECK(in_tree(node.parent) && full(node.parent), "page {} under {}", page, node.parent);
  INVAR_CHECK(leaf || full(page), "page {} has children and {} tokens", page, node.count);
  INVAR_CHECK(leaf == leaves_.contains(page), "page {} among the leaves", page);
  INVAR_CHECK(!leaf || leaves_.clock(page) == node.used, "clock of page {}", page);
  INVAR_CHECK(node.used <= clock_, "page {} was used at {}, now is {}", page, node.used, clock_);
  INVAR_CHECK(!full(page) || find_full(node.parent, tokens_of(page)) == page, "page {} is not found", page);
  int64_t steps = 0;
  for (int32_t i = page; i != root(); i = nodes_[i].parent) {
    INVAR_CHECK(++steps <= nodes_count_, "page {} is below itself", page);
  }
  for (int32_t other = 0; leaf && other < page; ++other) {
    INVAR_CHECK(!leaves_.contains(other) || leaves_.clock(other) != node.used, "leaves {} and {}", other,
                page);
  }
}

}  // namespace invar
